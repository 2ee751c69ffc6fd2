package checkit.peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;

/** What the run took: marks at a tenth, at a third and at the end of the records. */
final class Marks {
    private static final int LOOK_EVERY_MS = 10;
    private static final OperatingSystemMXBean PROCESS =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    /** Records done, of each thread that works. */
    private static final List<AtomicLong> COUNTS = new CopyOnWriteArrayList<>();
    private static final AtomicLong HITS = new AtomicLong();

    private record Mark(long records, long timeNs, long cpuNs) {
        static Mark at(long records) throws InterruptedException {
            while (true) {
                long done = COUNTS.stream().mapToLong(AtomicLong::get).sum();
                if (done >= records) {
                    return new Mark(done, System.nanoTime(), PROCESS.getProcessCpuTime());
                }
                Thread.sleep(LOOK_EVERY_MS);
            }
        }

        String since(Mark begin) {
            return String.format(Locale.ROOT,
                "{\"records\":%d,\"seconds\":%.3f,\"cpu_seconds\":%.3f}", records - begin.records,
                (timeNs - begin.timeNs) / 1e9, (cpuNs - begin.cpuNs) / 1e9);
        }
    }

    private Marks() {
    }

    /** The caller's own, with lazySet. */
    static AtomicLong count() {
        AtomicLong count = new AtomicLong();
        COUNTS.add(count);
        return count;
    }

    static void hit() {
        HITS.incrementAndGet();
    }

    /** Waits until so many records are done; as JSON. */
    static String of(long records) throws InterruptedException {
        Mark tenth = Mark.at((records + 9) / 10);
        Mark third = Mark.at((records + 2) / 3);
        Mark end = Mark.at(records);
        return String.format(Locale.ROOT,
            "{\"records\":%d,\"unread\":0,\"hits\":%d,\"measured\":%s,\"late\":%s}", records,
            HITS.get(), end.since(tenth), end.since(third));
    }
}
