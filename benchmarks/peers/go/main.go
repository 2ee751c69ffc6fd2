// A screener as one would write it in Go: peer SETTINGS. Reads a topic to the number of records the
// settings name, and prints what that took as one JSON object.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	batch       = 10_000
	commitEvery = time.Second
	gcPercent   = 400
)

type screener struct {
	told   settings
	list   *list
	tables *tables
	alerts *kgo.Client
	unread atomic.Int64
	hits   atomic.Int64
}

// A worker's own.
type worker struct {
	*screener
	decoder *decoder
	key     key
	found   []uint32
}

// screen finds a document that stands twice in an event once.
func (w *worker) screen(record *kgo.Record) {
	if !w.decoder.read(record.Value) {
		w.unread.Add(1)
		return
	}
	w.found = w.found[:0]
	for i := range w.decoder.event.Travellers {
		documents := w.decoder.event.Travellers[i].Documents
		for k := range documents {
			if !w.tables.read(documents[k].Issuer, documents[k].Number, &w.key) {
				continue
			}
			entry, listed := w.list.entries[w.key]
			if listed && !slices.Contains(w.found, entry) {
				w.found = append(w.found, entry)
				w.send(record, w.list.ids[entry])
			}
		}
	}
}

// send needs to escape nothing: ids are of letters, digits and hyphens.
func (w *worker) send(record *kgo.Record, entry string) {
	id := w.decoder.event.EventID
	alert := fmt.Appendf(nil,
		`{"topic":"%s","partition":%d,"offset":%d,"event_id":"%s","entry_id":"%s"}`,
		record.Topic, record.Partition, record.Offset, id, entry)
	w.hits.Add(1)
	w.alerts.Produce(context.Background(), &kgo.Record{Key: []byte(id), Value: alert},
		func(_ *kgo.Record, err error) {
			if err != nil {
				fail("an alert was not delivered: %v", err)
			}
		})
}

func open(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(options...)
	if err != nil {
		fail("%v", err)
	}
	return client
}

func (s *screener) consumer() *kgo.Client {
	return open(
		kgo.SeedBrokers(s.told.text("bootstrap")),
		kgo.ConsumerGroup(s.told.text("group")),
		kgo.ConsumeTopics(s.told.text("topic")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMinBytes(1<<20),
		kgo.FetchMaxWait(50*time.Millisecond),
		kgo.FetchMaxPartitionBytes(4<<20),
		kgo.FetchMaxBytes(16<<20),
		kgo.DisableAutoCommit())
}

// work screens until the context ends: each partition of what a poll brought is screened by the
// worker it belongs to, all at once. Alerts are delivered before what they came of is committed.
func (s *screener) work(running context.Context, counts []count) {
	workers := make([]worker, len(counts))
	for i := range workers {
		workers[i] = worker{screener: s, decoder: openDecoder(s.told)}
	}
	consumer := s.consumer()
	defer consumer.Close()
	committed := time.Now()
	for {
		fetches := consumer.PollRecords(running, batch*len(workers))
		if running.Err() != nil {
			break
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			fail("%s/%d: %v", topic, partition, err)
		})
		shares := make([][]*kgo.Record, len(workers))
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			share := &shares[int(p.Partition)%len(workers)]
			*share = append(*share, p.Records...)
		})
		var busy sync.WaitGroup
		for i := range workers {
			busy.Go(func() {
				for _, record := range shares[i] {
					workers[i].screen(record)
				}
				counts[i].records.Add(int64(len(shares[i])))
			})
		}
		busy.Wait()
		if time.Since(committed) >= commitEvery {
			s.commit(consumer)
			committed = time.Now()
		}
	}
	s.commit(consumer)
}

func (s *screener) commit(consumer *kgo.Client) {
	if err := s.alerts.Flush(context.Background()); err != nil {
		fail("alerts were not delivered: %v", err)
	}
	if err := consumer.CommitUncommittedOffsets(context.Background()); err != nil {
		fail("commit: %v", err)
	}
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: peer SETTINGS")
	}
	debug.SetGCPercent(gcPercent)
	told := readSettings(os.Args[1])
	s := &screener{told: told, list: readList(told), tables: readTables(told), alerts: open(
		kgo.SeedBrokers(told.text("bootstrap")),
		kgo.DefaultProduceTopic(told.text("alerts")),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.RequiredAcks(kgo.AllISRAcks()))}
	counts := make([]count, told.number("workers"))
	running, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { s.work(running, counts) })
	records := int64(told.number("records"))
	tenth := markAt(counts, (records+9)/10)
	third := markAt(counts, (records+2)/3)
	end := markAt(counts, records)
	stop()
	working.Wait()
	s.alerts.Close()
	fmt.Printf(`{"records":%d,"unread":%d,"hits":%d,"measured":%s,"late":%s}`+"\n",
		records, s.unread.Load(), s.hits.Load(), end.since(tenth), end.since(third))
}
