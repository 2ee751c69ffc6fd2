/* A configuration file. What is taken is written as YAML that is taken again and written alike. */
#include "pipeline/config.h"
#include "tests/fuzz/fuzz.h"

static char *write_config(const struct config *config, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    CHECK(out);
    config_write(config, out);
    CHECK(fclose(out) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct config *again = NULL;
    struct error err = {0};
    char *text = (char *)fuzz_copy(bytes_of(data, size));
    enum status status = config_parse("/etc/checkit.yaml", text, size, &config, &err);
    free(text);
    if (status != STATUS_OK) {
        CHECK(err.exit_code == EX_CONFIG && err.text[0] && !config);
        return 0;
    }
    size_t written_size = 0;
    size_t again_size = 0;
    char *written = write_config(config, &written_size);
    CHECK(config_parse("/etc/checkit.yaml", written, written_size, &again, &err) == STATUS_OK);
    char *rewritten = write_config(again, &again_size);
    CHECK(written_size == again_size && memcmp(written, rewritten, written_size) == 0);
    free(written);
    free(rewritten);
    config_close(config);
    config_close(again);
    return 0;
}
