/* A mapping by its number, '0' and up; a schema; NUL; a datum. */
#include "tests/fuzz/projection.h"

static const struct mapping mappings[] = {
    {.documents = {{.path = "", .number = "n", .issuer = "i", .type = "t", .nationality = "o"}},
     .documents_count = 1,
     .event_id = "n",
     .event_time = "e",
     .place = "i"},
    {.documents = {{.path = "d[]", .number = "n|m", .issuer = "i|m", .number_width = 9}},
     .documents_count = 1,
     .journey = "d[].n",
     .event_time = "e"},
    {.documents = {{.path = "m{}", .number = ""}, {.path = "d[].d[]", .number = "n"}},
     .documents_count = 2,
     .event_id = "m{}"},
    {.documents = {{.path = "d{A}.d[]|d[]|n", .number = "", .number_width = 1}},
     .documents_count = 1,
     .sector_fixed = "AIR"},
    {.documents = {{.path = "next.next", .number = "n"}, {.path = "", .number = "next{A}.n|n"}},
     .documents_count = 2,
     .stage = "next.n"},
    {.documents = {{.path = "[]{}", .number = "", .issuer = ""}}, .documents_count = 1},
    {.event_time = "e|n", .partner = "n", .partner_fixed = "fixed", .place = "d[]{A}.n"},
};

enum { MAPPINGS = sizeof mappings / sizeof *mappings };

static void read_datum(const struct projection *projection, bool is_change, struct bytes datum)
{
    uint8_t *copy = fuzz_copy(datum);
    struct bytes exact = bytes_of(copy, datum.size);
    if (is_change) {
        fuzz_read_change(projection, exact);
    } else {
        fuzz_read_documents(projection, exact);
        fuzz_read_context(projection, exact);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    unsigned choice = (unsigned)(fuzz_take_byte(&input) - '0') % (MAPPINGS + 1);
    struct bytes schema = fuzz_take(&input, 0);
    char *text = (char *)fuzz_copy(schema);
    struct projection *projection = NULL;
    struct error err = {0};
    enum status status =
        choice == MAPPINGS
            ? projection_compile_change(text, schema.size, &projection, &err)
            : projection_compile(text, schema.size, &mappings[choice], &projection, &err);
    free(text); /* the projection has what it needs */
    if (status == STATUS_OK)
        read_datum(projection, choice == MAPPINGS, input);
    else
        CHECK(err.exit_code == EX_DATAERR && err.text[0] && !projection);
    projection_close(projection);
    return 0;
}
