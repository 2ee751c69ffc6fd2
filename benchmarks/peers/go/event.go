package main

import (
	"bytes"
	"encoding/binary"
	"os"

	"github.com/hamba/avro/v2"
)

// What is read of a booking event: the names are the schema's, everything else is passed over.
type event struct {
	EventID    string      `avro:"event_id"`
	Travellers []traveller `avro:"travellers"`
}

type traveller struct {
	Documents []document `avro:"documents"`
}

type document struct {
	Number string  `avro:"number"`
	Issuer *string `avro:"issuer"`
}

// Decodes one event after another into the same one. For one goroutine.
type decoder struct {
	schema avro.Schema
	prefix [5]byte // a zero, and the schema's id in big-endian
	reader *avro.Reader
	event  event
}

func openDecoder(told settings) *decoder {
	text, err := os.ReadFile(told.text("schema"))
	if err != nil {
		fail("%v", err)
	}
	schema, err := avro.Parse(string(text))
	if err != nil {
		fail("schema: %v", err)
	}
	opened := &decoder{schema: schema, reader: avro.NewReader(nil, 0)}
	binary.BigEndian.PutUint32(opened.prefix[1:], uint32(told.number("schema_id")))
	return opened
}

// read fills d.event; false: it cannot be read.
func (d *decoder) read(value []byte) bool {
	datum, found := bytes.CutPrefix(value, d.prefix[:])
	if !found {
		return false
	}
	// An empty array leaves the length of a slice as it was.
	for i := range d.event.Travellers {
		d.event.Travellers[i].Documents = d.event.Travellers[i].Documents[:0]
	}
	d.event.Travellers = d.event.Travellers[:0]
	d.reader.Reset(datum).Error = nil
	d.reader.ReadVal(d.schema, &d.event)
	return d.reader.Error == nil
}
