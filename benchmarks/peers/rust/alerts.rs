//! What is found goes out as JSON, and counts as sent once the brokers have it.

use crate::consumer::Record;
use crate::settings::{fail, Settings};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::ClientContext;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const FLUSH_S: u64 = 60;

struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((why, _)) = result {
            fail(&format!("an alert was not delivered: {why}"));
        }
    }
}

pub struct Alerts {
    producer: ThreadedProducer<Reports>,
    events: String,
    topic: String,
    sent: AtomicU64,
}

impl Alerts {
    pub fn open(settings: &Settings) -> Alerts {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", settings.text("bootstrap"))
            .set("compression.type", "lz4")
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "1")
            .create_with_context(Reports);
        Alerts {
            producer: producer.unwrap_or_else(|why| fail(&why.to_string())),
            events: settings.text("topic").to_string(),
            topic: settings.text("alerts").to_string(),
            sent: AtomicU64::new(0),
        }
    }

    /// Ids are of letters, digits and hyphens: nothing to escape.
    pub fn send(&self, record: &Record, event_id: &str, entry_id: &str) {
        let alert = format!(
            "{{\"topic\":\"{}\",\"partition\":{},\"offset\":{},\"event_id\":\"{event_id}\",\
             \"entry_id\":\"{entry_id}\"}}",
            self.events, record.partition, record.offset);
        let message = BaseRecord::to(&self.topic).key(event_id).payload(&alert);
        if let Err((why, _)) = self.producer.send(message) {
            fail(&format!("an alert was not taken: {why}"));
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub fn wait(&self) {
        if self.producer.in_flight_count() > 0 {
            if let Err(why) = self.producer.flush(Duration::from_secs(FLUSH_S)) {
                fail(&format!("alerts were not delivered: {why}"));
            }
        }
    }
}
