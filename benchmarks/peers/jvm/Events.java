package checkit.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.util.Utf8;

/**
 * Decodes booking events, of which it reads what a screener needs and passes over the rest. Decoder
 * and records are used again and again. For one thread.
 */
final class Events {
    private static final int PREFIX = 5; // a zero, and the schema's id in big-endian

    private static final String READ = """
        {"type": "record", "name": "BookingEvent", "namespace": "checkit", "fields": [
          {"name": "event_id", "type": "string"},
          {"name": "travellers", "type": {"type": "array", "items": {
            "type": "record", "name": "Traveller", "fields": [
              {"name": "documents", "type": {"type": "array", "items": {
                "type": "record", "name": "Document", "fields": [
                  {"name": "number", "type": "string"},
                  {"name": "issuer", "type": ["null", "string"]}
                ]}}}
            ]}}}
        ]}""";
    private static final int EVENT_ID = 0;
    private static final int TRAVELLERS = 1;
    private static final int DOCUMENTS = 0;
    private static final int NUMBER = 0;
    private static final int ISSUER = 1;

    /** What is done with a document. */
    interface Use {
        void document(Utf8 issuer, Utf8 number);
    }

    private final GenericDatumReader<GenericRecord> reader;
    private final byte[] prefix;
    private BinaryDecoder decoder;
    private GenericRecord event;

    Events(Settings settings) throws IOException {
        Schema written = new Schema.Parser().parse(Files.readString(settings.path("schema")));
        reader = new GenericDatumReader<>(written, new Schema.Parser().parse(READ));
        int id = settings.number("schema_id");
        prefix = new byte[] {0, (byte) (id >> 24), (byte) (id >> 16), (byte) (id >> 8), (byte) id};
    }

    void read(byte[] value, Use use) {
        if (value.length < PREFIX || !Arrays.equals(value, 0, PREFIX, prefix, 0, PREFIX)) {
            throw new IllegalArgumentException("no event of the schema of this run");
        }
        decoder = DecoderFactory.get().binaryDecoder(value, PREFIX, value.length - PREFIX, decoder);
        try {
            event = reader.read(event, decoder);
        } catch (IOException why) {
            throw new IllegalArgumentException(why);
        }
        List<?> travellers = (List<?>) event.get(TRAVELLERS);
        for (int i = 0; i < travellers.size(); i++) {
            List<?> documents = (List<?>) ((GenericRecord) travellers.get(i)).get(DOCUMENTS);
            for (int k = 0; k < documents.size(); k++) {
                GenericRecord document = (GenericRecord) documents.get(k);
                use.document((Utf8) document.get(ISSUER), (Utf8) document.get(NUMBER));
            }
        }
    }

    /** Of the last event read. */
    String eventId() {
        return event.get(EVENT_ID).toString();
    }
}
