package checkit.peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.DataBlockIndexType;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/** A screener on Kafka Streams: the list is a GlobalKTable in RocksDB. */
public final class StreamsPeer {
    private static final String STORE = "list";

    private StreamsPeer() {
    }

    /** The list, and its filter where there is one. */
    private interface Listed {
        /** An entry's id; null: not listed. */
        String find(Tables key);
    }

    /** One processor does it all: nothing is handed on but hits. */
    private static final class Screener
        extends ContextualProcessor<byte[], byte[], String, String> {
        private final Events events;
        private final Tables tables;
        private final Filter filter;
        private final AtomicLong count = Marks.count();
        private final List<String> found = new ArrayList<>();
        private Listed list;
        private long done;

        Screener(Settings settings, Filter filter) {
            this.filter = filter;
            try {
                events = new Events(settings);
                tables = new Tables(settings);
            } catch (IOException why) {
                throw new UncheckedIOException(why);
            }
        }

        @Override
        public void init(ProcessorContext<String, String> context) {
            super.init(context);
            list = filter == null ? table(context.getStateStore(STORE))
                : behindFilter(context.getStateStore(STORE));
        }

        private static Listed table(TimestampedKeyValueStore<Bytes, String> store) {
            return key -> ValueAndTimestamp.getValueOrNull(store.get(Bytes.wrap(key.copy())));
        }

        private Listed behindFilter(KeyValueStore<Bytes, String> store) {
            return key -> filter.mayHold(key.bytes(), key.size())
                ? store.get(Bytes.wrap(key.copy())) : null;
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            events.read(record.value(), (issuer, number) -> {
                if (tables.read(issuer, number)) {
                    String entry = list.find(tables);
                    if (entry != null && !found.contains(entry)) {
                        found.add(entry);
                    }
                }
            });
            if (!found.isEmpty()) {
                tell(record);
            }
            count.lazySet(++done);
        }

        private void tell(Record<byte[], byte[]> record) {
            RecordMetadata origin = context().recordMetadata().orElseThrow();
            for (String entry : found) {
                String alert = Alerts.text(origin.topic(), origin.partition(), origin.offset(),
                    events.eventId(), entry);
                context().forward(new Record<>(events.eventId(), alert, record.timestamp()));
                Marks.hit();
            }
            found.clear();
        }
    }

    /** Keeps store and filter as the list's topic says; also while the store is built. */
    private static final class Follower extends ContextualProcessor<Bytes, String, Void, Void> {
        private final Filter filter;
        private KeyValueStore<Bytes, String> store;

        Follower(Filter filter) {
            this.filter = filter;
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            super.init(context);
            store = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<Bytes, String> record) {
            byte[] key = record.key().get();
            filter.add(key, key.length);
            store.put(record.key(), record.value());
        }
    }

    /** Room for the whole list in the cache, and filters that let next to nothing through. */
    public static final class Rocks implements RocksDBConfigSetter {
        private static final long CACHE_BYTES = 512L << 20;
        private static final long WRITE_BUFFER_BYTES = 64L << 20;
        private static final double FILTER_BITS = 16;
        private final Cache cache = new LRUCache(CACHE_BYTES);
        private final BloomFilter filter = new BloomFilter(FILTER_BITS, false);

        @Override
        public void setConfig(String store, Options options, Map<String, Object> configs) {
            BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
            table.setBlockCache(cache);
            table.setFilterPolicy(filter);
            table.setWholeKeyFiltering(true);
            table.setDataBlockIndexType(DataBlockIndexType.kDataBlockBinaryAndHash);
            options.setTableFormatConfig(table);
            options.setWriteBufferSize(WRITE_BUFFER_BYTES);
            options.setMemtableWholeKeyFiltering(true);
            options.setMemtablePrefixBloomSizeRatio(0.1);
        }

        @Override
        public void close(String store, Options options) {
            cache.close();
            filter.close();
        }
    }

    private static Properties properties(Settings settings) {
        Properties to = new Properties();
        to.put(StreamsConfig.APPLICATION_ID_CONFIG, settings.text("group"));
        to.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, settings.text("bootstrap"));
        to.put(StreamsConfig.STATE_DIR_CONFIG, settings.text("state"));
        to.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, settings.number("workers"));
        to.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        to.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        to.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 20000);
        to.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
        to.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);
        to.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        to.put(StreamsConfig.consumerPrefix(ConsumerConfig.ISOLATION_LEVEL_CONFIG),
            "read_committed");
        to.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10000);
        to.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 1 << 20);
        to.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 50);
        to.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG),
            4 << 20);
        to.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), 1 << 20);
        to.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        to.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
        return to;
    }

    private static void addList(StreamsBuilder builder, String topic, Filter filter) {
        Consumed<Bytes, String> read = Consumed.with(Serdes.Bytes(), Serdes.String());
        if (filter == null) {
            builder.globalTable(topic, read,
                Materialized.<Bytes, String, KeyValueStore<Bytes, byte[]>>as(STORE)
                    .withCachingDisabled());
            return;
        }
        builder.addGlobalStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), Serdes.Bytes(),
                Serdes.String()).withLoggingDisabled(),
            topic, read, () -> new Follower(filter));
    }

    /** [--filter] SETTINGS. */
    public static void main(String[] arguments) throws Exception {
        Settings settings = new Settings(arguments[arguments.length - 1]);
        StreamsBuilder builder = new StreamsBuilder();
        Filter filter = arguments.length > 1 && arguments[0].equals("--filter")
            ? new Filter(settings.number("entries")) : null;
        addList(builder, settings.text("list_topic"), filter);
        builder.stream(settings.text("topic"),
                Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .process(() -> new Screener(settings, filter))
            .to(settings.text("alerts"), Produced.with(Serdes.String(), Serdes.String()));

        KafkaStreams streams = new KafkaStreams(builder.build(), properties(settings));
        streams.setUncaughtExceptionHandler(why -> {
            why.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        String figures = Marks.of(settings.number("records"));
        streams.close();
        System.out.println(figures);
    }
}
