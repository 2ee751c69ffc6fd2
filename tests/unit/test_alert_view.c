#include <stdlib.h>
#include <string.h>

#include "operators/support/wire.h"
#include "pipeline/base/assets.h"
#include "pipeline/run/alert_view.h"
#include "tests/unit/alert_fixture.h"

static struct datum_schema *schema;
static uint8_t buffer[ALERT_BYTES_MAX];

static void set_up(void)
{
    struct error err = {0};
    struct bytes text = assets_find("schemas/Alert.avsc");
    cr_assert_eq(datum_schema_open((const char *)text.data, text.size, &schema, &err), STATUS_OK,
                 "%s", err.text);
}

static void tear_down(void)
{
    datum_schema_close(schema);
}

TestSuite(alert_view, .init = set_up, .fini = tear_down);

static const struct alert_fixture sample = {.partner = "carrier-1",
                                            .issuer = "FRA",
                                            .number = "12AB34567",
                                            .alert_class = 1,
                                            .tier = 1,
                                            .is_silent = true,
                                            .offset = 42};

static struct bytes datum_of(const struct alert_fixture *alert)
{
    uint32_t id;
    struct bytes datum;
    cr_assert(wire_split(encode_fixture(alert, 4, buffer), &id, &datum));
    return datum;
}

static struct alert_view view_of(const struct alert_fixture *alert)
{
    struct alert_view view;
    cr_assert_eq(alert_view_read(schema, datum_of(alert), &view), RECORD_OK);
    return view;
}

static char *row_of(const struct alert_view *view, bool is_redacted)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    alert_view_write_row(view, is_redacted, out);
    cr_assert_eq(fclose(out), 0);
    return text;
}

Test(alert_view, a_row_says_what_the_alert_says)
{
    struct alert_view view = view_of(&sample);
    char *row = row_of(&view, false);
    cr_expect_str_eq(row, "2023-11-14T22:13:23.500Z  REVIEW  TYPE_DIFFERS     FRA     "
                          "12AB34567                 PASSPORT  STOLEN        carrier-1         "
                          "CHECK_IN      -         SILENT,TEST       FRA-1  bookings/3/42\n");
    free(row);
}

Test(alert_view, the_token_stands_for_the_number)
{
    struct alert_view view = view_of(&sample);
    char *row = row_of(&view, true);
    cr_expect_null(strstr(row, "12AB34567"));
    cr_expect_not_null(strstr(row, FIXTURE_TOKEN));
    free(row);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    alert_view_write_json(schema, datum_of(&sample), &view, true, out);
    cr_assert_eq(fclose(out), 0);
    cr_expect_null(strstr(text, "12AB34567"));
    cr_expect_not_null(strstr(text, "\"number\":\"" FIXTURE_TOKEN "\",\"canonical_number\":"));
    cr_expect_not_null(strstr(text, "\"edits\":[{\"position\":2,\"from\":\"?\",\"to\":\"?\"}]"));
    free(text);
}

Test(alert_view, a_text_that_is_too_long_is_cut_between_characters_and_moves_no_column)
{
    struct alert_fixture alert = sample;
    alert.partner = "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9"
                    "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9";
    struct alert_view view = view_of(&alert);
    char *row = row_of(&view, false);
    cr_expect_not_null(strstr(row, "\xC3\xA9  CHECK_IN")); /* 16 fit */
    free(row);
    alert.partner = "a partner of 17 c";
    view = view_of(&alert);
    row = row_of(&view, false);
    cr_expect_not_null(strstr(row, "  a partner of 17\xE2\x80\xA6  CHECK_IN"));
    free(row);
}

Test(alert_view, control_characters_are_not_printed)
{
    struct alert_fixture alert = sample;
    alert.partner = "a\033[2Jb";
    struct alert_view view = view_of(&alert);
    cr_expect_str_eq(view.partner, "a?[2Jb");
}

Test(alert_view, a_filter_takes_what_it_names)
{
    struct alert_view view = view_of(&sample);
    static const struct {
        struct alert_filter filter;
        bool passes;
    } cases[] = {
        {{0}, true},
        {{.alert_class = "review"}, true},
        {{.alert_class = "page"}, false},
        {{.tier = "type_differs"}, true},
        {{.tier = "exact"}, false},
        {{.issuer = "fra"}, true},
        {{.issuer = "fr"}, false},
        {{.partner = "carrier-1"}, true},
        {{.partner = "Carrier-1"}, false},
        {{"review", "type_differs", "FRA", "carrier-1"}, true},
        {{"review", "type_differs", "FRA", "carrier-2"}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(alert_view_passes(&view, &cases[i].filter), cases[i].passes, "case %zu", i);
}

Test(alert_view, a_document_without_issuer_and_an_event_without_partner_are_shown)
{
    struct alert_fixture alert = sample;
    alert.issuer = NULL;
    alert.partner = NULL;
    struct alert_view view = view_of(&alert);
    cr_expect_str_empty(view.issuer);
    char *row = row_of(&view, false);
    cr_expect_not_null(strstr(row, "  -       12AB34567 "));
    free(row);
    cr_expect_not(alert_view_passes(&view, &(struct alert_filter){.issuer = "FRA"}));
}

Test(alert_view, an_alert_cut_short_is_invalid)
{
    struct alert_view view;
    struct bytes datum = datum_of(&sample);
    for (size_t size = 0; size < datum.size; size++)
        cr_assert_eq(alert_view_read(schema, bytes_of(datum.data, size), &view),
                     RECORD_DATUM_INVALID);
}
