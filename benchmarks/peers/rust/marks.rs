//! What the run took: marks at a tenth, at a third and at the end of the records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Records done by a worker; apart in memory from the next one's.
#[derive(Default)]
#[repr(align(128))]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, records: usize) {
        self.0.fetch_add(records as u64, Ordering::Release);
    }
}

pub struct Mark {
    records: u64,
    time: Instant,
    cpu_s: f64,
}

fn cpu_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

impl Mark {
    pub fn now(counts: &[Count]) -> Mark {
        let records = counts.iter().map(|count| count.0.load(Ordering::Acquire)).sum();
        Mark { records, time: Instant::now(), cpu_s: cpu_s() }
    }

    /// When so many are done.
    pub fn at(counts: &[Count], records: u64) -> Mark {
        loop {
            let mark = Mark::now(counts);
            if mark.records >= records {
                return mark;
            }
            sleep(LOOK_EVERY);
        }
    }

    /// As JSON.
    pub fn since(&self, begin: &Mark) -> String {
        format!(
            "{{\"records\":{},\"seconds\":{:.3},\"cpu_seconds\":{:.3}}}",
            self.records - begin.records,
            self.time.duration_since(begin.time).as_secs_f64(),
            self.cpu_s - begin.cpu_s)
    }
}
