"""A folder includes itself and lower ones only, operators never include each other, and each
outside library is included by its one module.
"""

import re

import common

# The folder is the layer; a lower rank may be included by a higher one.
RANKS = {
    "pipeline/base": 0,
    "pipeline": 1,
    "operators/support": 2,
    "operators": 3,
    "pipeline/run": 4,
}

# Headers that begin so belong to the module: the files of that folder with that prefix.
LIBRARIES = {
    "avro.h": ("operators/support", "projection"),
    "immintrin.h": ("operators/support", "filter"),  # instructions some processors lack
    "jansson.h": ("operators/support", "json"),
    "curl/": ("operators/support", "registry"),
    "librdkafka/": ("operators/support", "kafka"),
    "microhttpd.h": ("operators/support", "http"),
    "openssl/": ("operators/support", "prf"),
    "rocksdb/": ("operators/support", "store"),
    "sodium.h": ("operators/support", "keys"),
    "utf8proc.h": ("operators/support", "canonical"),
    "yaml.h": ("pipeline", "config"),
    "zlib.h": ("operators/support", "unpack"),
    "zstd.h": ("operators/support", "unpack"),
}

# NAME_internal.h is for the files of module NAME; these too belong to it. http_client asks anyone
# what registry asks registries, by the same library. container_reader unpacks blocks as unpack does
# streams.
ALSO_OF_MODULE = {
    "operators/support/container_reader.c": "unpack",
    "operators/support/http_client.c": "registry",
    "operators/support/prf.c": "keys",
}

# C, POSIX and what glibc adds: any folder may include them.
SYSTEM = set("""
    assert.h ctype.h dirent.h endian.h errno.h fcntl.h ftw.h getopt.h inttypes.h limits.h locale.h
    math.h poll.h pthread.h sched.h setjmp.h signal.h spawn.h stdalign.h stdarg.h stdatomic.h
    stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sysexits.h time.h unistd.h
    netdb.h netinet/in.h netinet/tcp.h arpa/inet.h sys/eventfd.h sys/file.h sys/mman.h sys/random.h
    sys/resource.h sys/select.h sys/socket.h sys/stat.h sys/statvfs.h sys/time.h sys/types.h
    sys/uio.h sys/un.h sys/wait.h sys/ioctl.h termios.h malloc.h
    """.split())

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(.*?)[ \t]*$', re.MULTILINE)
WRITTEN = re.compile(r'<([^>]+)>|"([^"]+)"')


def stem(path):
    return path.rpartition("/")[2].rpartition(".")[0]


def is_of_module(path, folder, module):
    name = stem(path)
    return common.folder_of(path) == folder and (
        name == module or name.startswith(module + "_") or ALSO_OF_MODULE.get(path) == module)


def fault_of_library(path, header):
    if header in SYSTEM:
        return None
    for begin, (folder, module) in LIBRARIES.items():
        if header.startswith(begin):
            if is_of_module(path, folder, module):
                return None
            return f"<{header}> belongs to {folder}/{module}: use that module's header"
    return f"<{header}> is of no library known to tests/lint/layers.py"


def fault_of_own(path, header, known):
    folder, other = common.folder_of(path), common.folder_of(header)
    if header not in known:
        return f'"{header}" is no file of the project, written from its top'
    if other not in RANKS:
        return f'"{header}" is of no layer'
    if RANKS[other] > RANKS[folder]:
        return f'"{header}" is above {folder}'
    if other == "operators" and folder == "operators" and stem(path) != stem(header):
        return f'"{header}" is another operator'
    module = stem(header).removesuffix("_internal")
    if module != stem(header) and not is_of_module(path, other, module):
        return f'"{header}" is for the files of {module} only'
    return None


def check(top):
    known = set(common.files(top))
    for path in sorted(known):
        if not path.endswith((".c", ".h")) or path.startswith(common.OUTSIDE):
            continue
        if common.folder_of(path) not in RANKS:
            yield f"{path}:1: C stands in {', '.join(RANKS)}, tests or benchmarks"
            continue
        text = common.read(top, path)
        kept = common.code(text)
        for match in INCLUDE.finditer(kept):
            line = common.line_of(kept, match.start())
            # The blanked copy says what is code, the original what stands between the quotes.
            written = WRITTEN.search(text, match.start(1))
            if not written or written.start() != match.start(1):
                yield f"{path}:{line}: an include that is not <header> or \"header\""
                continue
            system, own = written.groups()
            fault = fault_of_library(path, system) if system else fault_of_own(path, own, known)
            if fault:
                yield f"{path}:{line}: {fault}"


if __name__ == "__main__":
    common.run(check)
