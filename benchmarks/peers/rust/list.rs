//! The list: what is known of a document, to the entry's id. And how a document as sent becomes the
//! key that is looked up: the canonical number behind the canonical issuer.

use crate::settings::{fail, lines, Settings};
use hashbrown::HashMap;

const ISSUER: usize = 3;
const NUMBER_MIN: usize = 3;
const NUMBER_MAX: usize = 24;

/// Issuer and number, zeros behind.
pub type Key = [u8; 28];

pub struct List {
    entries: HashMap<Key, u32>,
    ids: Vec<Box<str>>,
}

impl List {
    /// Lines of what is looked up and the entry's id, between them a tab.
    pub fn read(settings: &Settings) -> List {
        let text = lines(settings.text("list"));
        let count = text.lines().count();
        let mut list =
            List { entries: HashMap::with_capacity(count), ids: Vec::with_capacity(count) };
        for (document, id) in pairs(&text) {
            let mut key = [0; 28];
            key[..document.len()].copy_from_slice(document.as_bytes());
            list.entries.insert(key, list.ids.len() as u32);
            list.ids.push(id.into());
        }
        list
    }

    #[inline]
    pub fn find(&self, key: &Key) -> Option<&str> {
        self.entries.get(key).map(|index| &*self.ids[*index as usize])
    }
}

/// How codes and characters are read.
pub struct Tables {
    issuers: HashMap<u64, [u8; ISSUER]>,
    characters: HashMap<char, u8>,
    ascii: [u8; 128], // zero: dropped
}

impl Tables {
    pub fn read(settings: &Settings) -> Tables {
        let mut tables =
            Tables { issuers: HashMap::new(), characters: HashMap::new(), ascii: [0; 128] };
        for byte in 0..128u8 {
            if byte.is_ascii_alphanumeric() {
                tables.ascii[byte as usize] = byte.to_ascii_uppercase();
            }
        }
        for (code, issuer) in pairs(&lines(settings.text("issuers"))) {
            let code = packed(code).unwrap_or_else(|| fail("issuers: a code of more than 8"));
            tables.issuers.insert(code, issuer.as_bytes().try_into().unwrap());
        }
        for (character, latin) in pairs(&lines(settings.text("characters"))) {
            tables.characters.insert(character.chars().next().unwrap(), latin.as_bytes()[0]);
        }
        tables
    }

    /// None: it names no document that can be listed.
    #[inline]
    pub fn key(&self, issuer: Option<&str>, number: &str) -> Option<Key> {
        let mut key = [0; 28];
        key[..ISSUER].copy_from_slice(self.issuers.get(&packed(issuer?)?)?);
        let mut size = 0;
        let out = &mut key[ISSUER..ISSUER + NUMBER_MAX];
        if number.is_ascii() {
            for byte in number.bytes() {
                put(out, &mut size, self.ascii[byte as usize])?;
            }
        } else {
            for character in number.chars() {
                let latin = match character.is_ascii() {
                    true => self.ascii[character as usize],
                    false => *self.characters.get(&character)?,
                };
                put(out, &mut size, latin)?;
            }
        }
        (size >= NUMBER_MIN).then_some(key)
    }
}

#[inline]
fn put(out: &mut [u8], size: &mut usize, character: u8) -> Option<()> {
    if character != 0 {
        *out.get_mut(*size)? = character;
        *size += 1;
    }
    Some(())
}

/// Upper case without what stands between; None: longer than any code.
#[inline]
fn packed(code: &str) -> Option<u64> {
    let mut value = 0u64;
    for byte in code.bytes() {
        if matches!(byte, b' ' | b'-' | b'.' | b'<' | 9..=13) {
            continue;
        }
        if value >> 56 != 0 {
            return None;
        }
        value = value << 8 | u64::from(byte.to_ascii_uppercase());
    }
    Some(value)
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once('\t'))
}
