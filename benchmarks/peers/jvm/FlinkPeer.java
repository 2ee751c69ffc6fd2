package checkit.peers;

import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerConfig;

/** A screener on Flink, in this process: the list is a hash map that its tasks share. */
public final class FlinkPeer {
    private static final int CHECKPOINT_MS = 1000;

    private FlinkPeer() {
    }

    /** A record as it came; one of a reader, filled anew for each. */
    public static final class Event implements Serializable {
        public byte[] value;
        public int partition;
        public long offset;
    }

    private static final class Reader implements KafkaRecordDeserializationSchema<Event> {
        private final Event event = new Event();

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Event> out) {
            event.value = record.value();
            event.partition = record.partition();
            event.offset = record.offset();
            out.collect(event);
        }

        @Override
        public TypeInformation<Event> getProducedType() {
            return TypeInformation.of(Event.class);
        }
    }

    /** Bytes that are compared and hashed by what they are; set() makes it those of a look-up. */
    private static final class Key {
        private byte[] bytes;
        private int size;
        private int hash;

        Key set(byte[] bytes, int size) {
            this.bytes = bytes;
            this.size = size;
            int sum = 1;
            for (int i = 0; i < size; i++) {
                sum = 31 * sum + bytes[i];
            }
            hash = sum;
            return this;
        }

        @Override
        public int hashCode() {
            return hash;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Key key && hash == key.hash
                && Arrays.equals(bytes, 0, size, key.bytes, 0, key.size);
        }
    }

    /** Once a process. */
    private static final class Listed {
        private static Map<Key, String> entries;

        static synchronized Map<Key, String> entries(Settings settings) throws IOException {
            if (entries == null) {
                Map<Key, String> read = new HashMap<>();
                Tables.eachPair(settings.path("list"), (document, id) ->
                    read.put(new Key().set(document.getBytes(), document.length()), id));
                entries = read;
            }
            return entries;
        }
    }

    private static final class Screener extends RichFlatMapFunction<Event, String> {
        private final Settings settings;
        private final String topic;
        private transient Events events;
        private transient Tables tables;
        private transient Map<Key, String> list;
        private transient Key key;
        private transient List<String> found;
        private transient AtomicLong count;
        private transient long done;

        Screener(Settings settings) {
            this.settings = settings;
            topic = settings.text("topic");
        }

        @Override
        public void open(OpenContext context) throws IOException {
            events = new Events(settings);
            tables = new Tables(settings);
            list = Listed.entries(settings);
            key = new Key();
            found = new ArrayList<>();
            count = Marks.count();
        }

        @Override
        public void flatMap(Event event, Collector<String> out) {
            events.read(event.value, (issuer, number) -> {
                if (tables.read(issuer, number)) {
                    String entry = list.get(key.set(tables.bytes(), tables.size()));
                    if (entry != null && !found.contains(entry)) {
                        found.add(entry);
                    }
                }
            });
            if (!found.isEmpty()) {
                for (String entry : found) {
                    out.collect(Alerts.text(topic, event.partition, event.offset,
                        events.eventId(), entry));
                    Marks.hit();
                }
                found.clear();
            }
            count.lazySet(++done);
        }
    }

    private static KafkaSource<Event> source(Settings settings) {
        return KafkaSource.<Event>builder()
            .setBootstrapServers(settings.text("bootstrap"))
            .setTopics(settings.text("topic"))
            .setGroupId(settings.text("group"))
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setBounded(OffsetsInitializer.latest())
            .setDeserializer(new Reader())
            .setProperty(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")
            .setProperty(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "10000")
            .setProperty(ConsumerConfig.FETCH_MIN_BYTES_CONFIG, "1048576")
            .setProperty(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, "50")
            .setProperty(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, "4194304")
            .setProperty(ConsumerConfig.RECEIVE_BUFFER_CONFIG, "1048576")
            .build();
    }

    private static KafkaSink<String> sink(Settings settings) {
        return KafkaSink.<String>builder()
            .setBootstrapServers(settings.text("bootstrap"))
            .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
            .setProperty(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4")
            .setProperty(ProducerConfig.ACKS_CONFIG, "all")
            .setRecordSerializer(KafkaRecordSerializationSchema.builder()
                .setTopic(settings.text("alerts"))
                .setValueSerializationSchema(new SimpleStringSchema())
                .build())
            .build();
    }

    private static Configuration configuration(int workers) {
        Configuration to = new Configuration();
        to.set(PipelineOptions.OBJECT_REUSE, true);
        to.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE,
            CheckpointingMode.AT_LEAST_ONCE);
        to.set(TaskManagerOptions.NUM_TASK_SLOTS, workers);
        to.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(16)); // no state
        return to;
    }

    public static void main(String[] arguments) throws Exception {
        Settings settings = new Settings(arguments[0]);
        int workers = settings.number("workers");
        StreamExecutionEnvironment job =
            StreamExecutionEnvironment.createLocalEnvironment(workers, configuration(workers));
        job.enableCheckpointing(CHECKPOINT_MS);
        job.fromSource(source(settings), WatermarkStrategy.noWatermarks(), "bookings")
            .flatMap(new Screener(settings)).returns(Types.STRING)
            .sinkTo(sink(settings));
        var running = job.executeAsync("peer");
        running.getJobExecutionResult().whenComplete((result, why) -> {
            if (why != null) {
                why.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        });
        String figures = Marks.of(settings.number("records"));
        running.getJobExecutionResult().get();
        System.out.println(figures);
    }
}
