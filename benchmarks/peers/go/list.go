package main

import "unicode/utf8"

const (
	issuerSize = 3
	numberMin  = 3
	numberMax  = 24
)

// What is looked up: issuer and number, zeros behind.
type key [issuerSize + numberMax + 1]byte

// The list: what is known of a document, to the entry's id.
type list struct {
	entries map[key]uint32
	ids     []string
}

func readList(told settings) *list {
	count := told.number("entries")
	read := &list{entries: make(map[key]uint32, count), ids: make([]string, 0, count)}
	eachPair(told.text("list"), "\t", func(document, id string) {
		var of key
		copy(of[:], document)
		read.entries[of] = uint32(len(read.ids))
		read.ids = append(read.ids, id)
	})
	return read
}

// How codes and characters are read.
type tables struct {
	issuers    map[uint64][issuerSize]byte
	characters map[rune]byte
	ascii      [utf8.RuneSelf]byte // zero: dropped
}

func readTables(told settings) *tables {
	read := &tables{issuers: map[uint64][issuerSize]byte{}, characters: map[rune]byte{}}
	for c := range read.ascii {
		if upper := upper(byte(c)); upper >= 'A' && upper <= 'Z' || upper >= '0' && upper <= '9' {
			read.ascii[c] = upper
		}
	}
	eachPair(told.text("issuers"), "\t", func(code, issuer string) {
		packed, _ := pack(code)
		read.issuers[packed] = [issuerSize]byte([]byte(issuer))
	})
	eachPair(told.text("characters"), "\t", func(character, latin string) {
		code, _ := utf8.DecodeRuneInString(character)
		read.characters[code] = latin[0]
	})
	return read
}

// read sets the key; false: it names no document that can be listed.
func (t *tables) read(issuer *string, number string, out *key) bool {
	if issuer == nil {
		return false
	}
	packed, fits := pack(*issuer)
	code, known := t.issuers[packed]
	if !fits || !known {
		return false
	}
	*out = key{}
	copy(out[:], code[:])
	size := issuerSize
	for _, character := range number {
		var latin byte
		if character < utf8.RuneSelf {
			latin = t.ascii[character]
		} else if latin = t.characters[character]; latin == 0 {
			return false
		}
		if latin == 0 {
			continue
		}
		if size == issuerSize+numberMax {
			return false
		}
		out[size] = latin
		size++
	}
	return size >= issuerSize+numberMin
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// pack gives a code in upper case without what stands between; false: longer than any code.
func pack(code string) (packed uint64, fits bool) {
	for i := 0; i < len(code); i++ {
		c := code[i]
		if c == ' ' || c == '-' || c == '.' || c == '<' || c >= 9 && c <= 13 {
			continue
		}
		if packed>>56 != 0 {
			return 0, false
		}
		packed = packed<<8 | uint64(upper(c))
	}
	return packed, true
}
