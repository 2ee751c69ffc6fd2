/* replay - runs a fuzz target without a fuzzer: over every file of its corpus, then over so many
 * copies damaged at random, always the same ones.
 *
 *   fuzz_NAME CORPUS_FOLDER COUNT      or one file, such as a crash that was found: fuzz_NAME FILE
 * 0
 *
 * Exit codes: 0; 64 for arguments, 66 for a corpus that is not there or empty.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "pipeline/base/memory.h"
#include "pipeline/base/random.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_BYTES_MAX = 64 * 1024, PATH_SIZE = 4096 };

struct corpus {
    struct bytes *inputs; /* owned, each too */
    uint32_t count;
};

static void add_file(struct corpus *corpus, const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file);
    uint8_t *data = memory_new(INPUT_BYTES_MAX, 1);
    size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
    CHECK(fclose(file) == 0);
    corpus->inputs = memory_resize(corpus->inputs, corpus->count + 1, sizeof(struct bytes));
    corpus->inputs[corpus->count++] = bytes_of(data, size);
}

static int is_plain(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In the order of the names, so that every run is the same. */
static void add_folder(struct corpus *corpus, const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_plain, alphasort);
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        CHECK(snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < PATH_SIZE);
        add_file(corpus, path);
        free(entries[i]);
    }
    free(entries);
}

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, size));
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* One change of data, which holds twice the most bytes of an input. */
static size_t damage(struct random *random, const struct corpus *corpus, uint8_t *data, size_t size)
{
    struct bytes other = corpus->inputs[random_below(random, corpus->count)];
    size_t at = random_below(random, size + 1);
    size_t length = 1 + random_below(random, 4);
    size_t from = random_below(random, other.size + 1);
    switch (random_below(random, 6)) {
    case 0: /* cut off */
        return at;
    case 1: /* taken out */
        length = length < size - at ? length : size - at;
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    case 2: /* put in, of another input */
        length = other.size - from < length * 8 ? other.size - from : length * 8;
        memmove(data + at + length, data + at, size - at);
        if (length)
            memcpy(data + at, other.data + from, length);
        return size + length;
    case 3: /* the end of another input */
        if (other.size > from)
            memcpy(data + at, other.data + from, other.size - from);
        return at + (other.size - from);
    case 4: /* one bit */
        if (at < size)
            data[at] = (uint8_t)(data[at] ^ 1 << random_below(random, 8));
        return size;
    default:
        if (at < size)
            data[at] = (uint8_t)random_next(random);
        return size;
    }
}

static void run_damaged(const struct corpus *corpus, uint64_t count)
{
    uint8_t *data = memory_new(2, INPUT_BYTES_MAX);
    struct random random;
    random_init(&random, 1);
    for (uint64_t i = 0; i < count; i++) {
        struct bytes input = corpus->inputs[random_below(&random, corpus->count)];
        size_t size = input.size;
        if (size)
            memcpy(data, input.data, size);
        for (uint64_t changes = 1 + random_below(&random, 4); changes > 0; changes--) {
            size = damage(&random, corpus, data, size);
            size = size < INPUT_BYTES_MAX ? size : INPUT_BYTES_MAX;
        }
        run(data, size);
    }
    memory_free(data);
}

int main(int argc, char **argv)
{
    struct corpus corpus = {0};
    struct stat status;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s CORPUS_FOLDER|FILE COUNT\n", argv[0]);
        return EX_USAGE;
    }
    if (stat(argv[1], &status) == 0 && S_ISREG(status.st_mode))
        add_file(&corpus, argv[1]);
    else
        add_folder(&corpus, argv[1]);
    if (corpus.count == 0) {
        (void)fprintf(stderr, "%s: %s is not there or empty\n", argv[0], argv[1]);
        return EX_NOINPUT;
    }
    for (uint32_t i = 0; i < corpus.count; i++)
        run(corpus.inputs[i].data, corpus.inputs[i].size);
    run_damaged(&corpus, strtoull(argv[2], NULL, 10));
    for (uint32_t i = 0; i < corpus.count; i++)
        memory_free((void *)corpus.inputs[i].data);
    memory_free(corpus.inputs);
    return EX_OK;
}
