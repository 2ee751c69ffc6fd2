//! A screener as one would write it by hand today: `peer SETTINGS`. Reads a topic to the number of
//! records the settings name, and prints what that took as one JSON object.

mod alerts;
mod consumer;
mod event;
mod list;
mod marks;
mod settings;

use alerts::Alerts;
use consumer::{Consumer, Record};
use event::Decoder;
use list::{List, Tables};
use marks::{Count, Mark};
use settings::{fail, Settings};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const COMMIT_EVERY: Duration = Duration::from_secs(1);

struct Screener {
    settings: Settings,
    list: List,
    tables: Tables,
    decoder: Decoder,
    alerts: Alerts,
    unread: AtomicU64,
    stop: AtomicBool,
}

impl Screener {
    /// A document that stands twice in an event is one hit.
    fn screen(&self, record: Record) {
        let Some(event) = self.decoder.decode(record.payload) else {
            self.unread.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut found: SmallVec<[&str; 4]> = SmallVec::new();
        for document in event.travellers.iter().flat_map(|traveller| &traveller.documents) {
            let Some(key) = self.tables.key(document.issuer, document.number) else { continue };
            let Some(entry) = self.list.find(&key) else { continue };
            if !found.contains(&entry) {
                found.push(entry);
                self.alerts.send(&record, event.event_id, entry);
            }
        }
    }

    fn work(&self, index: usize, count: &Count) {
        let mut consumer = Consumer::open(&self.settings, index);
        let mut committed = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            count.add(consumer.each(|record| self.screen(record)));
            if committed.elapsed() >= COMMIT_EVERY {
                self.alerts.wait();
                consumer.commit(false);
                committed = Instant::now();
            }
        }
        self.alerts.wait();
        consumer.commit(true);
        consumer.close();
    }
}

fn main() {
    let Some(path) = std::env::args().nth(1) else { fail("usage: peer SETTINGS") };
    let settings = Settings::read(&path);
    let records = settings.number("records");
    let workers = settings.number("workers") as usize;
    let screener = Screener {
        list: List::read(&settings),
        tables: Tables::read(&settings),
        decoder: Decoder::open(&settings),
        alerts: Alerts::open(&settings),
        unread: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        settings,
    };
    let counts: Vec<Count> = (0..workers).map(|_| Count::default()).collect();
    thread::scope(|scope| {
        for (index, count) in counts.iter().enumerate() {
            let screener = &screener;
            scope.spawn(move || screener.work(index, count));
        }
        let tenth = Mark::at(&counts, records.div_ceil(10));
        let third = Mark::at(&counts, records.div_ceil(3));
        let end = Mark::at(&counts, records);
        screener.stop.store(true, Ordering::Relaxed);
        println!(
            "{{\"records\":{records},\"unread\":{},\"hits\":{},\"measured\":{},\"late\":{}}}",
            screener.unread.load(Ordering::Relaxed), screener.alerts.sent(),
            end.since(&tenth), end.since(&third));
    });
}
