//! A consumer that hands out records in batches, by librdkafka's batch interface: the crate wraps
//! one record at a time only.

use crate::settings::{fail, Settings};
use rdkafka::bindings as rd;
use std::ffi::{CStr, CString};
use std::{ptr, slice};

pub const BATCH: usize = 1024;
const POLL_MS: i32 = 5;
const FROM_THE_BEGINNING: i64 = -2;
const ERROR_SIZE: usize = 512;

/// What checkit sets too, and why: operators/support/kafka_settings.c.
const SETTINGS: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "earliest"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("queued.min.messages", "10000000"),
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.message.max.bytes", "1048576"),
    ("allow.auto.create.topics", "false"),
    ("enable.partition.eof", "false"),
];

pub struct Consumer {
    client: *mut rd::rd_kafka_t,
    queue: *mut rd::rd_kafka_queue_t,
    messages: Vec<*mut rd::rd_kafka_message_t>,
    topic: CString,
    /// By partition: the offset behind the last record screened; -1 for none.
    positions: Vec<i64>,
}

pub struct Record<'a> {
    pub partition: i32,
    pub offset: i64,
    pub payload: &'a [u8],
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| fail("a setting with a zero byte"))
}

unsafe fn set(conf: *mut rd::rd_kafka_conf_t, name: &str, value: &str) {
    let mut why = [0; ERROR_SIZE];
    let (name, value) = (c_string(name), c_string(value));
    let result = rd::rd_kafka_conf_set(
        conf, name.as_ptr(), value.as_ptr(), why.as_mut_ptr(), ERROR_SIZE);
    if result != rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
        fail(&CStr::from_ptr(why.as_ptr()).to_string_lossy());
    }
}

impl Consumer {
    /// Of its share of the partitions, the index-th.
    pub fn open(settings: &Settings, index: usize) -> Consumer {
        unsafe {
            let conf = rd::rd_kafka_conf_new();
            for (name, value) in SETTINGS {
                set(conf, name, value);
            }
            set(conf, "bootstrap.servers", settings.text("bootstrap"));
            set(conf, "group.id", settings.text("group"));
            set(conf, "queued.max.messages.kbytes", settings.text("queued_kbytes"));
            let mut why = [0; ERROR_SIZE];
            let client = rd::rd_kafka_new(
                rd::rd_kafka_type_t::RD_KAFKA_CONSUMER, conf, why.as_mut_ptr(), ERROR_SIZE);
            if client.is_null() {
                fail(&CStr::from_ptr(why.as_ptr()).to_string_lossy());
            }
            rd::rd_kafka_poll_set_consumer(client);
            let consumer = Consumer {
                client,
                queue: rd::rd_kafka_queue_get_consumer(client),
                messages: vec![ptr::null_mut(); BATCH],
                topic: c_string(settings.text("topic")),
                positions: Vec::new(),
            };
            let workers = settings.number("workers") as usize;
            let partitions = settings.number("partitions") as usize;
            consumer.assign((index..partitions).step_by(workers));
            consumer
        }
    }

    unsafe fn assign(&self, partitions: impl Iterator<Item = usize>) {
        let list = rd::rd_kafka_topic_partition_list_new(1);
        for partition in partitions {
            (*rd::rd_kafka_topic_partition_list_add(
                list, self.topic.as_ptr(), partition as i32)).offset = FROM_THE_BEGINNING;
        }
        check(rd::rd_kafka_assign(self.client, list), "assign");
        rd::rd_kafka_topic_partition_list_destroy(list);
    }

    /// Hands on what there is, at most a batch; returns how many.
    pub fn each(&mut self, mut screen: impl FnMut(Record)) -> usize {
        unsafe {
            let count = rd::rd_kafka_consume_batch_queue(
                self.queue, POLL_MS, self.messages.as_mut_ptr(), BATCH);
            let count = count.max(0) as usize;
            for index in 0..count {
                let message = &*self.messages[index];
                check(message.err, "consume");
                let payload = match message.payload.is_null() {
                    true => &[],
                    false => slice::from_raw_parts(message.payload as *const u8, message.len),
                };
                screen(Record { partition: message.partition, offset: message.offset, payload });
                self.pass(message.partition, message.offset);
                rd::rd_kafka_message_destroy(self.messages[index]);
            }
            count
        }
    }

    fn pass(&mut self, partition: i32, offset: i64) {
        let index = partition as usize;
        if index >= self.positions.len() {
            self.positions.resize(index + 1, -1);
        }
        self.positions[index] = offset + 1;
    }

    /// Every record handed on so far is done with.
    pub fn commit(&self, wait: bool) {
        unsafe {
            let list = rd::rd_kafka_topic_partition_list_new(self.positions.len() as i32);
            for (partition, offset) in self.positions.iter().enumerate() {
                if *offset >= 0 {
                    (*rd::rd_kafka_topic_partition_list_add(
                        list, self.topic.as_ptr(), partition as i32)).offset = *offset;
                }
            }
            if (*list).cnt > 0 {
                check(rd::rd_kafka_commit(self.client, list, i32::from(!wait)), "commit");
            }
            rd::rd_kafka_topic_partition_list_destroy(list);
        }
    }

    pub fn close(self) {
        unsafe {
            rd::rd_kafka_queue_destroy(self.queue);
            rd::rd_kafka_consumer_close(self.client);
            rd::rd_kafka_destroy(self.client);
        }
    }
}

unsafe fn check(code: rd::rd_kafka_resp_err_t, what: &str) {
    if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        let why = CStr::from_ptr(rd::rd_kafka_err2str(code));
        fail(&format!("{what}: {}", why.to_string_lossy()));
    }
}
