"""The cases of ./dev bench: what stands in the topic, and how it is screened."""

import dataclasses

ENTRIES = 5_000_000
ENTRIES_LARGE = 128_000_000
AT_LEAST_ONCE, EXACTLY_ONCE = "at_least_once", "exactly_once"
HIT_RATES = {"airline": 9e-6, "border": 6.5e-5, "stress": 1e-2}  # of `checkit generate`


@dataclasses.dataclass(frozen=True)
class Case:
    """profile gives the rate of hits, form the schema of the events: booking (ours), wide (2 KB,
    of which 30 fields are not read) or partner. entries 0: as many as the run has. share: of the
    run's events, where one is larger or costs more than the others."""

    name: str
    profile: str = "airline"
    compression: str = "lz4"
    workers: int = 1
    form: str = "booking"
    entries: int = 0
    delivery: str = AT_LEAST_ONCE
    tls: bool = False
    share: float = 1.0
    partitions: int = 4

    def with_entries(self, entries):
        return dataclasses.replace(self, entries=self.entries or entries)

    def at_least_once(self):
        return dataclasses.replace(self, delivery=AT_LEAST_ONCE)

    @property
    def topic(self):
        """Cases with the same one share its records."""
        words = [self.form, self.profile, self.compression, f"{self.partitions}p"]
        part = [] if self.share == 1 else [f"{1000 * self.share:.0f}of1000"]
        return ".".join([*words, *part, size_label(self.entries)])


def size_label(count):
    """5M; what is no whole number of millions stands as it is."""
    return f"{count // 10**6}M" if count and count % 10**6 == 0 else str(count)


# Those of one topic stand together: it is deleted after the last of them.
CASES = {case.name: case for case in (
    Case("airline-lz4-1"),
    Case("airline-lz4-2", workers=2),
    Case("airline-lz4-1-exactly-once", delivery=EXACTLY_ONCE),
    Case("airline-zstd-1", compression="zstd"),
    Case("airline-zstd-2", compression="zstd", workers=2),
    Case("airline-none-1", compression="none"),
    Case("airline-none-2", compression="none", workers=2),
    Case("border-lz4-1", profile="border"),
    Case("border-lz4-2", profile="border", workers=2),
    Case("stress-lz4-1", profile="stress", share=0.5),
    Case("stress-lz4-2", profile="stress", share=0.5, workers=2),
    Case("stress-lz4-1-exactly-once", profile="stress", share=0.5, delivery=EXACTLY_ONCE),
    Case("wide-lz4-1", form="wide", share=0.1),
    Case("wide-lz4-2", form="wide", share=0.1, workers=2),
    Case("partner-lz4-1", form="partner"),
    Case("partner-lz4-2", form="partner", workers=2),
    Case("airline-lz4-1-tls", tls=True, share=0.1),  # brokers are slow at it
    Case("airline-lz4-1-128M", entries=ENTRIES_LARGE),
    Case("airline-lz4-2-128M", entries=ENTRIES_LARGE, workers=2),
)}
