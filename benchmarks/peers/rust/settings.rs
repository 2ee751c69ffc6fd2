//! What the bench says of this run: a file of KEY=VALUE lines.

use std::collections::HashMap;
use std::fs;

pub struct Settings(HashMap<String, String>);

impl Settings {
    pub fn read(path: &str) -> Settings {
        let lines = lines(path);
        let pairs = lines.lines().filter_map(|line| line.split_once('='));
        Settings(pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect())
    }

    pub fn text(&self, key: &str) -> &str {
        match self.0.get(key) {
            Some(value) => value,
            None => fail(&format!("setting '{key}' is missing")),
        }
    }

    pub fn number(&self, key: &str) -> u64 {
        match self.text(key).parse() {
            Ok(value) => value,
            Err(why) => fail(&format!("setting '{key}': {why}")),
        }
    }
}

/// A whole file of text.
pub fn lines(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| fail(&format!("{path}: {why}")))
}

pub fn fail(why: &str) -> ! {
    eprintln!("peer: {why}");
    std::process::exit(1);
}
