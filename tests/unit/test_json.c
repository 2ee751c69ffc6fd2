#include <criterion/criterion.h>
#include <string.h>

#include "operators/support/json.h"

static struct json *parse(const char *text)
{
    struct json *json = NULL;
    struct error err = {0};
    cr_assert_eq(json_parse(text, strlen(text), &json, &err), STATUS_OK, "%s", err.text);
    return json;
}

static void expect_fault(const char *text, size_t size, const char *fault)
{
    struct json *json = NULL;
    struct error err = {0};
    cr_assert_eq(json_parse(text, size, &json, &err), STATUS_FAIL, "%s", text);
    cr_assert_null(json);
    cr_assert_eq(err.exit_code, EX_DATAERR);
    cr_assert_not_null(strstr(err.text, fault), "%s", err.text);
}

Test(json, every_kind_is_read)
{
    struct json *json = parse("{\"t\":\"a\\u00e9\",\"w\":-7,\"n\":2.5,\"b\":true,\"f\":false,"
                              "\"z\":null,\"a\":[1,\"x\"],\"o\":{\"i\":1}}");
    cr_assert_eq(json_kind_of(json), JSON_KIND_OBJECT);
    cr_assert_str_eq(json_text(json_member(json, "t")), "a\xC3\xA9");
    int64_t whole = 0;
    cr_assert(json_whole(json_member(json, "w"), &whole));
    cr_assert_eq(whole, -7);
    cr_assert_eq(json_number(json_member(json, "w")), -7);
    cr_assert_not(json_whole(json_member(json, "n"), &whole));
    cr_assert_eq(json_number(json_member(json, "n")), 2.5);
    cr_assert_eq(json_kind_of(json_member(json, "n")), JSON_KIND_NUMBER);
    cr_assert(json_bool(json_member(json, "b")));
    cr_assert_not(json_bool(json_member(json, "f")));
    cr_assert_eq(json_kind_of(json_member(json, "f")), JSON_KIND_BOOL);
    cr_assert_eq(json_kind_of(json_member(json, "z")), JSON_KIND_NULL);
    const struct json *array = json_member(json, "a");
    cr_assert_eq(json_kind_of(array), JSON_KIND_ARRAY);
    cr_assert_eq(json_items(array), 2);
    cr_assert_str_eq(json_text(json_item(array, 1)), "x");
    cr_assert_null(json_item(array, 2));
    cr_assert_eq(json_number(json_member(json_member(json, "o"), "i")), 1);
    json_close(json);
}

Test(json, what_is_not_there_or_of_another_kind_is_nothing)
{
    struct json *json = parse("[\"x\"]");
    int64_t whole = 5;
    const struct json *const none[] = {NULL, json, json_item(json, 0)};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        cr_assert_null(json_member(none[i], "a"));
        cr_assert_eq(json_number(none[i]), 0);
        cr_assert_not(json_whole(none[i], &whole));
        cr_assert_eq(whole, 0);
        cr_assert_not(json_bool(none[i]));
        struct json_place place = {0};
        cr_assert_not(json_next(none[i], &place));
    }
    cr_assert_eq(json_kind_of(NULL), JSON_KIND_ABSENT);
    cr_assert_eq(json_items(NULL), 0);
    cr_assert_eq(json_items(json_item(json, 0)), 0);
    cr_assert_null(json_text(json));
    cr_assert_null(json_text(NULL));
    json_close(json);
    json_close(NULL);
}

Test(json, members_come_in_their_order)
{
    struct json *json = parse("{\"c\":1,\"a\":2,\"b\":3}");
    struct json_place place = {0};
    for (int i = 0; i < 3; i++) {
        cr_assert(json_next(json, &place));
        cr_assert_eq(place.name[0], "cab"[i]);
        cr_assert_eq(json_number(place.value), i + 1);
    }
    cr_assert_not(json_next(json, &place));
    json_close(json);
}

Test(json, a_scalar_alone_is_json)
{
    struct json *json = parse("\"x\"");
    cr_assert_str_eq(json_text(json), "x");
    json_close(json);
}

Test(json, what_is_no_json_is_refused_with_its_line)
{
    expect_fault("", 0, "no JSON: line 1: ");
    expect_fault("{\n\n\"a\":}", 8, "line 3");
    expect_fault("{} x", 4, "line 1");
    expect_fault("\"\xFF\"", 3, "line 1");
    expect_fault("{\"a\":1", 6, "line 1");
}

Test(json, nesting_is_bounded)
{
    enum { DEPTH = 2048 };
    static char text[2 * (DEPTH + 1)];
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    struct json *json = NULL;
    struct error err = {0};
    cr_assert_eq(json_parse(text, 2 * DEPTH, &json, &err), STATUS_OK, "%s", err.text);
    json_close(json);
    memset(text, '[', DEPTH + 1);
    memset(text + DEPTH + 1, ']', DEPTH + 1);
    expect_fault(text, sizeof text, "line 1");
}

Test(json, what_is_made_is_written_in_order)
{
    struct json *json = json_new_object();
    json_put_text(json, "t", "a \"b\" \xC3\xA9");
    json_put_whole(json, "w", INT64_MIN);
    json_put_number(json, "n", 0.25);
    json_put_bool(json, "b", true);
    struct json *array = json_new_array();
    struct json *item = json_new_object();
    json_put_bool(item, "c", false);
    json_add(array, item);
    json_put(json, "a", array);
    struct buffer buffer = {0};
    json_write(json, &buffer);
    cr_assert_str_eq(buffer.data, "{\"t\": \"a \\\"b\\\" \xC3\xA9\", \"w\": -9223372036854775808, "
                                  "\"n\": 0.25, \"b\": true, \"a\": [{\"c\": false}]}");
    buffer_close(&buffer);
    json_close(json);
}

Test(json, a_member_put_again_is_replaced)
{
    struct json *json = json_new_object();
    json_put_whole(json, "a", 1);
    json_put_text(json, "a", "x");
    struct buffer buffer = {0};
    json_write(json, &buffer);
    cr_assert_str_eq(buffer.data, "{\"a\": \"x\"}");
    buffer_close(&buffer);
    json_close(json);
}

Test(json, a_text_that_is_no_utf8_is_a_question_mark)
{
    struct json *json = json_new_object();
    json_put_text(json, "a", "\xC0\x80");
    cr_assert_str_eq(json_text(json_member(json, "a")), "?");
    json_close(json);
}
