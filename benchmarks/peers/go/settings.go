package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// What the bench says of this run: a file of KEY=VALUE lines.
type settings map[string]string

func readSettings(path string) settings {
	told := settings{}
	eachPair(path, "=", func(key, value string) { told[key] = value })
	return told
}

func (s settings) text(key string) string {
	value, is := s[key]
	if !is {
		fail("setting '%s' is missing", key)
	}
	return value
}

func (s settings) number(key string) int {
	value, err := strconv.Atoi(s.text(key))
	if err != nil {
		fail("setting '%s': %v", key, err)
	}
	return value
}

// eachPair hands on what stands before and behind the separator in every line.
func eachPair(path, separator string, use func(key, value string)) {
	file, err := os.Open(path)
	if err != nil {
		fail("%v", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, found := strings.Cut(lines.Text(), separator); found {
			use(key, value)
		}
	}
	if err := lines.Err(); err != nil {
		fail("%s: %v", path, err)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "peer: "+format+"\n", values...)
	os.Exit(1)
}
