//! What is read of a booking event: the names are the schema's, everything else is passed over.

use crate::settings::{fail, lines, Settings};
use serde::Deserialize;
use serde_avro_fast::{from_datum_slice, Schema};
use smallvec::SmallVec;

const PREFIX: usize = 5; // a zero, and the schema's id in big-endian

#[derive(Deserialize)]
pub struct Event<'a> {
    pub event_id: &'a str,
    #[serde(borrow)]
    pub travellers: SmallVec<[Traveller<'a>; 4]>,
}

#[derive(Deserialize)]
pub struct Traveller<'a> {
    #[serde(borrow)]
    pub documents: SmallVec<[Document<'a>; 2]>,
}

#[derive(Deserialize)]
pub struct Document<'a> {
    pub number: &'a str,
    pub issuer: Option<&'a str>,
}

pub struct Decoder {
    schema: Schema,
    prefix: [u8; PREFIX],
}

impl Decoder {
    pub fn open(settings: &Settings) -> Decoder {
        let schema = lines(settings.text("schema")).parse();
        let mut prefix = [0; PREFIX];
        prefix[1..].copy_from_slice(&(settings.number("schema_id") as u32).to_be_bytes());
        match schema {
            Ok(schema) => Decoder { schema, prefix },
            Err(why) => fail(&format!("schema: {why}")),
        }
    }

    #[inline]
    pub fn decode<'a>(&self, payload: &'a [u8]) -> Option<Event<'a>> {
        let datum = payload.strip_prefix(&self.prefix)?;
        from_datum_slice(datum, &self.schema).ok()
    }
}
