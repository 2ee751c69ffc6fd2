/* Schemas from a registry: every kind of answer, from a server that gives it over a socket. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdatomic.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/limits.h"
#include "tests/unit/http_server.h"
#include "tests/unit/registry_fixture.h"

/* --- time is what the tests say: only then is something asked again --------------------------- */

static const uint64_t ms_ns = 1000000;
static _Atomic uint64_t now_ns = 1;

uint64_t clock_monotonic_ns(void)
{
    return atomic_load(&now_ns);
}

int64_t clock_wall_ms(void)
{
    return 0;
}

uint64_t clock_process_cpu_ns(void)
{
    return 0;
}

void clock_sleep_ms(uint32_t ms)
{
    (void)ms;
}

static void advance_ms(uint64_t ms)
{
    atomic_fetch_add(&now_ns, ms * ms_ns);
}

/* --- a server and a registry that asks it ----------------------------------------------------- */

#define UNKNOWN "{\"error_code\": 40403, \"message\": \"Schema not found\"}"
#define SUBJECT_UNKNOWN "{\"error_code\": 40401, \"message\": \"Subject not found\"}"

static struct http_server server;
static struct config config;

static void open_registry(void)
{
    struct error err = {0};
    config.schemas_registry = server.url;
    cr_assert_eq(registry_open(&config, &registry, &err), STATUS_OK, "%s", err.text);
}

static void set_up(void)
{
    /* What the machine says of proxies is not meant for these. */
    (void)setenv("no_proxy", "*", 1);
    server_open(&server);
    open_registry();
}

static void tear_down(void)
{
    registry_close(registry);
    server_close(&server);
}

TestSuite(registry_http, .init = set_up, .fini = tear_down, .timeout = 100);

static void reply(const char *question, int status, const char *body)
{
    server_route(&server, (struct server_route){question, status, body, SERVER_REPLIES});
}

/* Asked with what is said now, and then it is said well: held, and found at the next try. */
static void expect_held(uint32_t id, const char *question, uint32_t asked)
{
    uint32_t before = server_questions(&server);
    cr_assert_eq(find_now(id), REGISTRY_PENDING);
    while (server_questions(&server) < before + asked)
        (void)sched_yield();
    cr_assert_eq(find_now(id), REGISTRY_PENDING);
    reply(question, 200, "{\"schema\": \"\\\"int\\\"\"}");
    struct bytes schema;
    /* The answer may not be noted yet when the time moves on: it is then due later. */
    while (registry_find(registry, id, &schema) == REGISTRY_PENDING) {
        advance_ms(100);
        (void)sched_yield();
    }
    expect_found(id, "\"int\"");
}

/* --- by id ------------------------------------------------------------------------------------ */

Test(registry_http, schema_found_is_asked_for_once)
{
    reply("GET /schemas/ids/7", 200, "{\"schema\": \"{\\\"type\\\": \\\"int\\\"}\", \"x\": []}");
    cr_assert_eq(find_now(7), REGISTRY_PENDING);
    expect_found(7, "{\"type\": \"int\"}");
    advance_ms(3600000);
    expect_found(7, "{\"type\": \"int\"}");
    reply("GET /schemas/ids/8", 200, "{\"schema\": \"\\\"long\\\"\", \"references\": []}");
    expect_found(8, "\"long\"");
    expect_found(7, "{\"type\": \"int\"}");
    cr_assert_eq(server_questions(&server), 2);
    cr_assert_not_null(strstr(server_question(&server, 0), "vnd.schemaregistry.v1+json"));
    cr_assert_null(strstr(server_question(&server, 0), "Authorization"));
}

Test(registry_http, absent_is_remembered_for_30_seconds)
{
    reply("GET /schemas/ids/5", 404, UNKNOWN);
    expect_absent(5);
    advance_ms(29999);
    expect_absent(5);
    cr_assert_eq(server_questions(&server), 1);
    reply("GET /schemas/ids/5", 200, "{\"schema\": \"\\\"int\\\"\"}");
    advance_ms(1);
    expect_found(5, "\"int\"");
    cr_assert_eq(server_questions(&server), 2);
}

Test(registry_http, ids_that_no_registry_gives_are_absent_unasked)
{
    expect_absent(0);
    expect_absent((uint32_t)INT32_MAX + 1);
    expect_absent(UINT32_MAX);
    cr_assert_eq(server_questions(&server), 0);
    reply("GET /schemas/ids/2147483647", 404, UNKNOWN);
    expect_absent(INT32_MAX);
    cr_assert_eq(server_questions(&server), 1);
}

Test(registry_http, what_is_no_definite_answer_holds)
{
    static const struct {
        int status;
        const char *body;
        enum server_manner manner;
    } faults[] = {
        {500, "{\"error_code\": 50001}", SERVER_REPLIES},
        {503, UNKNOWN, SERVER_REPLIES},
        {429, "", SERVER_REPLIES},
        {401, "{\"error_code\": 401}", SERVER_REPLIES},
        {403, UNKNOWN, SERVER_REPLIES},
        {404, "", SERVER_REPLIES},
        {404, "<html>not here</html>", SERVER_REPLIES},
        {404, "{\"error_code\": 404}", SERVER_REPLIES},
        {404, SUBJECT_UNKNOWN, SERVER_REPLIES},
        {404, "{\"error_code\": \"40403\"}", SERVER_REPLIES},
        {404, "[40403]", SERVER_REPLIES},
        {200, "", SERVER_REPLIES},
        {200, "{\"schema\": ", SERVER_REPLIES},
        {200, "\"int\"", SERVER_REPLIES},
        {200, "{\"schema\": 1}", SERVER_REPLIES},
        {200, UNKNOWN, SERVER_REPLIES},
        {200, "{\"schema\": \"a\\u0000b\"}", SERVER_REPLIES},
        {200, "{\"schema\": \"\xff\"}", SERVER_REPLIES},
        {204, "", SERVER_REPLIES},
        {302, "http://127.0.0.2/", SERVER_REPLIES},
        {200, "{\"schema\": \"\\\"int\\\"\"}", SERVER_STOPS_EARLY},
        {0, "", SERVER_HANGS_UP},
        {0, "", SERVER_IS_ENDLESS},
        {0, "", SERVER_TALKS_OTHERWISE},
    };
    for (uint32_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char question[64];
        (void)snprintf(question, sizeof question, "GET /schemas/ids/%u", i + 1);
        server_route(&server, (struct server_route){question, faults[i].status, faults[i].body,
                                                    faults[i].manner});
        expect_held(i + 1, question, 1);
        server.routes_count = 0; /* question ends with this round; nothing is being asked */
    }
}

Test(registry_http, silence_ends_after_two_seconds)
{
    server_route(&server, (struct server_route){"GET /schemas/ids/1", 0, "", SERVER_IS_SILENT});
    reply("GET /schemas/ids/2", 200, "{\"schema\": \"\\\"int\\\"\"}");
    cr_assert_eq(find_now(1), REGISTRY_PENDING);
    expect_found(2, "\"int\""); /* asked behind it */
    cr_assert_eq(find_now(1), REGISTRY_PENDING);
}

Test(registry_http, closing_does_not_wait_for_an_answer)
{
    server_route(&server, (struct server_route){"GET /schemas/ids/1", 0, "", SERVER_IS_SILENT});
    cr_assert_eq(find_now(1), REGISTRY_PENDING);
    while (server_questions(&server) == 0)
        (void)sched_yield();
    registry_close(registry);
    registry = NULL;
}

Test(registry_http, nobody_there_holds)
{
    registry_close(registry);
    struct http_server gone;
    server_open(&gone);
    server_close(&gone);
    config.schemas_registry = gone.url;
    struct error err = {0};
    uint32_t id;
    cr_assert_eq(registry_open(&config, &registry, &err), STATUS_OK);
    cr_assert_eq(find_now(1), REGISTRY_PENDING);
    cr_assert_eq(registry_id_of(registry, "alerts", "{}", &id, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, EX_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, gone.url), "%s", err.text);
    cr_assert_eq(find_now(1), REGISTRY_PENDING);
}

Test(registry_http, schema_above_the_limit_is_absent)
{
    static char body[SCHEMA_BYTES_MAX + 64];
    int size = snprintf(body, sizeof body, "{\"schema\": \"");
    memset(body + size, ' ', SCHEMA_BYTES_MAX + 1);
    (void)snprintf(body + size + SCHEMA_BYTES_MAX + 1, 8, "\"}");
    reply("GET /schemas/ids/1", 200, body);
    expect_absent(1);
    static char less[SCHEMA_BYTES_MAX + 64];
    size = snprintf(less, sizeof less, "{\"schema\": \"");
    memset(less + size, ' ', SCHEMA_BYTES_MAX);
    (void)snprintf(less + size + SCHEMA_BYTES_MAX, 8, "\"}");
    reply("GET /schemas/ids/2", 200, less);
    struct bytes schema;
    cr_assert_eq(wait_for_answer(2, &schema), REGISTRY_FOUND);
    cr_assert_eq(schema.size, SCHEMA_BYTES_MAX);
}

/* --- redirections, several URLs, who asks ----------------------------------------------------- */

Test(registry_http, redirection_to_the_same_host_is_followed)
{
    reply("GET /schemas/ids/1", 307, "/there/1");
    reply("GET /there/1", 200, "{\"schema\": \"\\\"int\\\"\"}");
    expect_found(1, "\"int\"");
    reply("GET /schemas/ids/2", 302, "/schemas/ids/2"); /* to itself, for ever */
    cr_assert_eq(find_now(2), REGISTRY_PENDING);
    reply("GET /schemas/ids/3", 200, "{\"schema\": \"\\\"int\\\"\"}");
    expect_found(3, "\"int\"");
    cr_assert_eq(find_now(2), REGISTRY_PENDING);
    cr_assert_eq(server_questions(&server), 2 + 4 + 1);
}

Test(registry_http, redirection_elsewhere_is_not_followed)
{
    struct http_server other;
    server_open(&other);
    char elsewhere[128];
    char with_user[160];
    (void)snprintf(elsewhere, sizeof elsewhere, "%s/schemas/ids/1", other.url);
    (void)snprintf(with_user, sizeof with_user, "http://127.0.0.1:%u@127.0.0.1:%u/", server.port,
                   other.port);
    reply("GET /schemas/ids/1", 301, elsewhere);
    reply("GET /schemas/ids/2", 301, with_user);
    expect_held(1, "GET /schemas/ids/1", 1);
    expect_held(2, "GET /schemas/ids/2", 1);
    cr_assert_eq(server_questions(&other), 0);
    server_close(&other);
}

Test(registry_http, who_does_not_answer_is_asked_last)
{
    struct http_server second;
    char urls[160];
    struct error err = {0};
    registry_close(registry);
    server_open(&second);
    (void)snprintf(urls, sizeof urls, "%s/, %s//", server.url, second.url);
    config.schemas_registry = urls;
    cr_assert_eq(registry_open(&config, &registry, &err), STATUS_OK);

    reply("GET /schemas/ids/1", 503, "");
    server_route(&second, (struct server_route){"GET /schemas/ids/1", 200,
                                                "{\"schema\": \"\\\"int\\\"\"}", SERVER_REPLIES});
    expect_found(1, "\"int\"");
    cr_assert_eq(server_questions(&server), 1);
    server_route(&second,
                 (struct server_route){"GET /schemas/ids/2", 404, UNKNOWN, SERVER_REPLIES});
    expect_absent(2);
    cr_assert_eq(server_questions(&server), 1);
    cr_assert_eq(server_questions(&second), 2);
    registry_close(registry);
    registry = NULL;
    server_close(&second);
}

Test(registry_http, user_and_password_go_with_each_question)
{
    registry_close(registry);
    config.schemas_user = "u";
    config.schemas_password = "p:w";
    open_registry();
    reply("GET /schemas/ids/1", 200, "{\"schema\": \"\\\"int\\\"\"}");
    expect_found(1, "\"int\"");
    cr_assert_not_null(strstr(server_question(&server, 0), "Authorization: Basic dTpwOnc=\r\n"));
}

Test(registry_http, files_for_tls_that_cannot_be_read_are_told)
{
    static const char **const files[] = {&config.schemas_ca, &config.schemas_certificate,
                                         &config.schemas_key};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct error err = {0};
        struct registry *none = NULL;
        *files[i] = "/tmp/checkit-there-is-no-such-file";
        cr_assert_eq(registry_open(&config, &none, &err), STATUS_FAIL);
        cr_assert_eq(err.exit_code, EX_CONFIG);
        cr_assert_not_null(strstr(err.text, "no-such-file"), "%s", err.text);
        *files[i] = NULL;
    }
}

/* --- references ------------------------------------------------------------------------------- */

#define MAIN                                                                                       \
    "{\"schema\": \"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"x.M\\\",\\\"fields\\\":"         \
    "[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"A\\\"}]}\", \"references\": "                       \
    "[{\"name\": \"x.A\", \"subject\": \"a/b c\", \"version\": 3}]}"
#define MAIN_ASKS_FOR "GET /subjects/a%2Fb%20c/versions/3?deleted=true"
#define ENUM "{\\\"type\\\":\\\"enum\\\",\\\"name\\\":\\\"x.A\\\",\\\"symbols\\\":[\\\"S\\\"]}"

Test(registry_http, references_are_written_into_the_schema)
{
    reply("GET /schemas/ids/1", 200, MAIN);
    reply(MAIN_ASKS_FOR, 200, "{\"schema\": \"" ENUM "\"}");
    expect_found(1, "{\"name\":\"x.M\",\"type\":\"record\",\"fields\":[{\"name\":\"a\",\"type\":"
                    "{\"name\":\"x.A\",\"type\":\"enum\",\"symbols\":[\"S\"]}}]}");
    cr_assert_eq(server_questions(&server), 2);
}

Test(registry_http, reference_without_an_answer_holds)
{
    reply("GET /schemas/ids/1", 200, MAIN);
    reply(MAIN_ASKS_FOR, 404, SUBJECT_UNKNOWN);
    cr_assert_eq(find_now(1), REGISTRY_PENDING);
    while (server_questions(&server) < 2)
        (void)sched_yield();
    reply(MAIN_ASKS_FOR, 200, "{\"schema\": \"" ENUM "\"}");
    struct bytes schema;
    while (registry_find(registry, 1, &schema) == REGISTRY_PENDING) {
        advance_ms(100);
        (void)sched_yield();
    }
    cr_assert_eq(wait_for_answer(1, &schema), REGISTRY_FOUND);
}

Test(registry_http, references_in_a_circle_are_refused)
{
    reply("GET /schemas/ids/1", 200, MAIN);
    reply(MAIN_ASKS_FOR, 200,
          "{\"schema\": \"" ENUM "\", \"references\": [{\"subject\": \"c\", \"version\": 1}]}");
    reply("GET /subjects/c/versions/1?deleted=true", 200,
          "{\"schema\": \"" ENUM "\", \"references\": [{\"subject\": \"a/b c\", \"version\": 3}]}");
    expect_absent(1);
    cr_assert_eq(server_questions(&server), 3);
}

/* Subject 1 refers to subject 2, and so on up to the last. */
static void make_chain(uint32_t length, char texts[][256], char questions[][64])
{
    for (uint32_t i = 1; i <= length; i++) {
        (void)snprintf(questions[i], sizeof questions[i],
                       "GET /subjects/%u/versions/1?deleted=true", i);
        (void)snprintf(
            texts[i], sizeof texts[i], "{\"schema\": \"" ENUM "\", \"references\": [%s%u%s]}",
            i < length ? "{\"version\": 1, \"subject\": \"" : "", i + 1, i < length ? "\"}" : "");
        if (i == length)
            (void)snprintf(texts[i], sizeof texts[i], "{\"schema\": \"" ENUM "\"}");
        reply(questions[i], 200, texts[i]);
    }
}

Test(registry_http, references_are_followed_16_deep_and_no_deeper)
{
    static char texts[2 * REGISTRY_REFERENCES_NESTING_MAX][256];
    static char questions[2 * REGISTRY_REFERENCES_NESTING_MAX][64];
    static const char first[] = "{\"schema\": \"\\\"int\\\"\", \"references\": "
                                "[{\"subject\": \"1\", \"version\": 1}]}";
    reply("GET /schemas/ids/1", 200, first);
    reply("GET /schemas/ids/2", 200, first);
    make_chain(REGISTRY_REFERENCES_NESTING_MAX, texts, questions);
    expect_found(1, "\"int\"");
    make_chain(REGISTRY_REFERENCES_NESTING_MAX + 1, texts, questions);
    expect_absent(2);
}

static void make_many(uint32_t count, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "{\"schema\": \"\\\"int\\\"\", \"references\": [");
    for (uint32_t i = 1; i <= count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s{\"subject\": \"s\", \"version\": %u}",
                                 i > 1 ? "," : "", i);
    (void)snprintf(out + used, size - used, "]}");
}

Test(registry_http, references_are_64_and_no_more)
{
    static char many[8192];
    static char too_many[8192];
    static char questions[REGISTRY_REFERENCES_MAX + 1][64];
    make_many(REGISTRY_REFERENCES_MAX, many, sizeof many);
    make_many(REGISTRY_REFERENCES_MAX + 1, too_many, sizeof too_many);
    for (uint32_t i = 1; i <= REGISTRY_REFERENCES_MAX; i++) {
        (void)snprintf(questions[i], sizeof questions[i],
                       "GET /subjects/s/versions/%u?deleted=true", i);
        reply(questions[i], 200, "{\"schema\": \"" ENUM "\"}");
    }
    reply("GET /schemas/ids/1", 200, many);
    reply("GET /schemas/ids/2", 200, too_many);
    expect_found(1, "\"int\"");
    expect_absent(2);
}

Test(registry_http, malformed_references_are_refused)
{
    static const char *const references[] = {"[1]", "[{\"subject\": \"s\"}]", "[{\"version\": 1}]",
                                             "[{\"subject\": 1, \"version\": 1}]",
                                             "[{\"subject\": \"s\", \"version\": \"1\"}]"};
    for (uint32_t i = 0; i < sizeof references / sizeof *references; i++) {
        char question[64];
        char body[256];
        (void)snprintf(question, sizeof question, "GET /schemas/ids/%u", i + 1);
        (void)snprintf(body, sizeof body, "{\"schema\": \"\\\"int\\\"\", \"references\": %s}",
                       references[i]);
        reply(question, 200, body);
        expect_absent(i + 1);
        server.routes_count = 0; /* question and body end with this round */
    }
}

/* --- the id of a schema of ours --------------------------------------------------------------- */

static const char ours[] = "{\"type\": \"record\", \"name\": \"Alert\", \"fields\": []}";

static void expect_fault(int exit_code, const char *word)
{
    struct error err = {0};
    uint32_t id = 0;
    cr_assert_eq(registry_id_of(registry, "my.alerts", ours, &id, &err), STATUS_FAIL);
    cr_assert_eq(err.exit_code, exit_code, "%s", err.text);
    cr_assert_not_null(strstr(err.text, word), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "Alert"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "my.alerts-value"), "%s", err.text);
}

static void expect_id(uint32_t expected)
{
    struct error err = {0};
    uint32_t id = 0;
    cr_assert_eq(registry_id_of(registry, "my.alerts", ours, &id, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(id, expected);
}

Test(registry_http, our_schema_is_looked_up_under_the_topic)
{
    reply("POST /subjects/my.alerts-value", 200, "{\"id\": 12, \"version\": 1}");
    config.schemas_register = true;
    expect_id(12);
    cr_assert_eq(server_questions(&server), 1);
    cr_assert_not_null(strstr(server_question(&server, 0),
                              "\r\n\r\n{\"schema\": \"{\\\"type\\\": \\\"record\\\", "
                              "\\\"name\\\": \\\"Alert\\\", \\\"fields\\\": []}\"}"));
}

Test(registry_http, our_schema_is_not_registered_unless_it_may_be)
{
    reply("POST /subjects/my.alerts-value", 404, SUBJECT_UNKNOWN);
    expect_fault(EX_CONFIG, "schemas.register");
    reply("POST /subjects/my.alerts-value", 404, UNKNOWN);
    expect_fault(EX_CONFIG, "schemas.register");
    cr_assert_eq(server_questions(&server), 2);
}

#define LOOK_UP "POST /subjects/my.alerts-value"
#define COMPARE "POST /compatibility/subjects/my.alerts-value/versions/latest"
#define REGISTER "POST /subjects/my.alerts-value/versions"

Test(registry_http, our_schema_is_registered_when_it_may_be)
{
    config.schemas_register = true;
    reply(LOOK_UP, 404, SUBJECT_UNKNOWN);
    reply(COMPARE, 404, SUBJECT_UNKNOWN);
    reply(REGISTER, 200, "{\"id\": 3}");
    expect_id(3);
    reply(COMPARE, 404, "{\"error_code\": 40402}");
    expect_id(3);
    reply(LOOK_UP, 404, UNKNOWN);
    reply(COMPARE, 200, "{\"is_compatible\": true}");
    expect_id(3);
    cr_assert_eq(server_questions(&server), 9);
}

Test(registry_http, our_schema_is_not_registered_when_it_is_not_compatible)
{
    config.schemas_register = true;
    reply(LOOK_UP, 404, UNKNOWN);
    reply(COMPARE, 200, "{\"is_compatible\": false}");
    expect_fault(EX_CONFIG, "not compatible");
    cr_assert_eq(server_questions(&server), 2);
    reply(COMPARE, 200, "{\"is_compatible\": true}");
    reply(REGISTER, 409, "{\"error_code\": 409}");
    expect_fault(EX_CONFIG, "not compatible");
}

Test(registry_http, no_answer_about_our_schema_is_told)
{
    config.schemas_register = true;
    reply(LOOK_UP, 401, "{\"error_code\": 401, \"message\": \"who are you\"}");
    expect_fault(EX_UNAVAILABLE, "HTTP status 401: who are you");
    reply(LOOK_UP, 404, "");
    expect_fault(EX_UNAVAILABLE, "HTTP status 404");
    reply(LOOK_UP, 307, "/elsewhere");
    expect_fault(EX_UNAVAILABLE, "HTTP status 307");
    reply(LOOK_UP, 200, "{\"id\": 0}");
    expect_fault(EX_UNAVAILABLE, "HTTP status 200");
    reply(LOOK_UP, 200, "{\"id\": 2147483648}");
    expect_fault(EX_UNAVAILABLE, "HTTP status 200");
    reply(LOOK_UP, 404, UNKNOWN);
    reply(COMPARE, 500, "");
    expect_fault(EX_UNAVAILABLE, "HTTP status 500");
    reply(COMPARE, 200, "{}");
    expect_fault(EX_UNAVAILABLE, "HTTP status 200");
    reply(COMPARE, 200, "{\"is_compatible\": true}");
    reply(REGISTER, 422, "{\"error_code\": 42201, \"message\": \"no\"}");
    expect_fault(EX_UNAVAILABLE, "HTTP status 422: no");
}
