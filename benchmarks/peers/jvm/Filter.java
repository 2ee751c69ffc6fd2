package checkit.peers;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * A Bloom filter of 16 bits a key: says at once that a key is surely not in the list. One thread
 * adds while others look; what was added before the look began is never missed.
 */
final class Filter {
    private static final int BITS_PER_KEY = 16;
    private static final int PROBES = 6;

    private final AtomicLongArray words;
    private final long mask;

    Filter(int keys) {
        long bits = Long.highestOneBit(Math.max(64, (long) keys * BITS_PER_KEY - 1)) << 1;
        words = new AtomicLongArray(Math.toIntExact(bits / Long.SIZE));
        mask = bits - 1;
    }

    void add(byte[] key, int size) {
        long hash = hash(key, size);
        for (int i = 0; i < PROBES; i++) {
            int word = word(hash, i);
            words.set(word, words.getPlain(word) | bit(hash, i));
        }
    }

    boolean mayHold(byte[] key, int size) {
        long hash = hash(key, size);
        for (int i = 0; i < PROBES; i++) {
            if ((words.getOpaque(word(hash, i)) & bit(hash, i)) == 0) {
                return false;
            }
        }
        return true;
    }

    private int word(long hash, int probe) {
        return (int) ((place(hash, probe) & mask) >>> 6);
    }

    private static long bit(long hash, int probe) {
        return 1L << place(hash, probe);
    }

    private static long place(long hash, int probe) {
        return hash + probe * (hash >>> 32 | 1);
    }

    private static long hash(byte[] key, int size) {
        long hash = size;
        for (int i = 0; i < size; i++) {
            hash = (hash ^ key[i]) * 0x9E3779B97F4A7C15L;
            hash ^= hash >>> 29;
        }
        hash = (hash ^ hash >>> 32) * 0xD6E8FEB86659FD93L;
        return hash ^ hash >>> 32;
    }
}
