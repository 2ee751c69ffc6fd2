package checkit.peers;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;
import org.apache.avro.util.Utf8;

/**
 * How a document as sent becomes the key that is looked up: the canonical issuer, and the canonical
 * number behind it. For one thread.
 */
final class Tables {
    private static final int ISSUER = 3;
    private static final int NUMBER_MIN = 3;
    private static final int NUMBER_MAX = 24;

    private final Map<Long, byte[]> issuers = new HashMap<>();
    private final byte[] characters = new byte[Character.MAX_VALUE + 1]; // 0: dropped, -1: refused
    private final byte[] key = new byte[ISSUER + NUMBER_MAX];
    private int size;

    Tables(Settings settings) throws IOException {
        Arrays.fill(characters, 128, characters.length, (byte) -1);
        for (char character = 0; character < 128; character++) {
            if (Character.isLetterOrDigit(character)) {
                characters[character] = (byte) Character.toUpperCase(character);
            }
        }
        eachPair(settings.path("characters"), (character, latin) ->
            characters[character.charAt(0)] = (byte) latin.charAt(0));
        eachPair(settings.path("issuers"), (code, issuer) ->
            issuers.put(packed(code.getBytes(StandardCharsets.US_ASCII), code.length()),
                issuer.getBytes(StandardCharsets.US_ASCII)));
    }

    /** Every line of a file: what stands before the tab, and behind it. */
    static void eachPair(Path path, BiConsumer<String, String> use) throws IOException {
        try (var lines = Files.lines(path)) {
            lines.forEach(line -> {
                int tab = line.indexOf('\t');
                use.accept(line.substring(0, tab), line.substring(tab + 1));
            });
        }
    }

    /** Sets the key; false: it names no document that can be listed. */
    boolean read(Utf8 issuer, Utf8 number) {
        byte[] code = issuer == null ? null
            : issuers.get(packed(issuer.getBytes(), issuer.getByteLength()));
        if (code == null) {
            return false;
        }
        System.arraycopy(code, 0, key, 0, ISSUER);
        size = ISSUER;
        return readAscii(number) || readAny(number);
    }

    /** The last key read, in an array of its own. */
    byte[] copy() {
        return Arrays.copyOf(key, size);
    }

    /** The last key read: these bytes, up to size(). */
    byte[] bytes() {
        return key;
    }

    int size() {
        return size;
    }

    private boolean readAscii(Utf8 number) {
        byte[] bytes = number.getBytes();
        int length = number.getByteLength();
        for (int i = 0; i < length; i++) {
            if (bytes[i] < 0 || !put(characters[bytes[i]])) {
                return false;
            }
        }
        return size >= ISSUER + NUMBER_MIN;
    }

    private boolean readAny(Utf8 number) {
        String text = number.toString();
        size = ISSUER;
        for (int i = 0; i < text.length(); i++) {
            if (!put(characters[text.charAt(i)])) {
                return false;
            }
        }
        return size >= ISSUER + NUMBER_MIN;
    }

    private boolean put(byte character) {
        if (character == 0) {
            return true;
        }
        if (character < 0 || size == key.length) {
            return false;
        }
        key[size++] = character;
        return true;
    }

    /** Upper case without what stands between; 0, which no code has, for what is too long. */
    private static long packed(byte[] code, int length) {
        long value = 0;
        for (int i = 0; i < length; i++) {
            byte letter = code[i];
            if (letter == ' ' || letter == '-' || letter == '.' || letter == '<'
                || (letter >= 9 && letter <= 13)) {
                continue;
            }
            if (value >>> 56 != 0) {
                return 0;
            }
            boolean isLower = letter >= 'a' && letter <= 'z';
            value = value << 8 | (isLower ? letter - 32 : letter & 0xff);
        }
        return value;
    }
}
