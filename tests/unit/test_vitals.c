/* What a process shows of itself over HTTP, while its threads go on. Workers need a broker:
 * tests/broker/test_watching.py. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "operators/support/json.h"
#include "pipeline/run/vitals.h"
#include "tests/unit/http_client.h"
#include "tests/unit/store_fixture.h"

static struct config *config;
static struct list_state *list;
static struct vitals *vitals;
static struct address address;

static void set_up(void)
{
    struct error err = {0};
    char text[ADDRESS_TEXT_SIZE];
    config = memory_new(1, sizeof *config);
    list = memory_new(1, sizeof *list);
    config->instance = "one";
    config->group = "g";
    config->feed_topic = "changes";
    config->workers = 2;
    config->http_listen = "127.0.0.1:0";
    cr_assert_eq(vitals_open(config, list, &vitals, &err), STATUS_OK, "%s", err.text);
    cr_assert(vitals_address(vitals, text));
    cr_assert(address_parse(text, &address), "%s", text);
}

static void tear_down(void)
{
    vitals_close(vitals);
    memory_free(list);
    memory_free(config);
}

TestSuite(vitals, .init = set_up, .fini = tear_down);

/* The body, the caller's. */
static char *get(const char *path, const char *status)
{
    char request[128];
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    char *answer = http_ask(&address, request, strlen(request));
    cr_assert_eq(strncmp(answer + strlen("HTTP/1.1 "), status, 3), 0, "%s", answer);
    char *body = strstr(answer, "\r\n\r\n");
    cr_assert_not_null(body);
    memmove(answer, body + 4, strlen(body + 4) + 1);
    return answer;
}

static struct json *get_json(const char *path, const char *status)
{
    char *body = get(path, status);
    struct json *json = NULL;
    struct error err = {0};
    cr_assert_eq(json_parse(body, strlen(body), &json, &err), STATUS_OK, "%s", err.text);
    memory_free(body);
    return json;
}

static uint32_t count_threads(void)
{
    struct json *answer = get_json("/livez", "200");
    uint32_t count = json_items(json_member(answer, "threads"));
    json_close(answer);
    return count;
}

static void expect_metric(const char *line)
{
    char whole[128];
    char *body = get("/metrics", "200");
    (void)snprintf(whole, sizeof whole, "\n%s\n", line);
    cr_assert_not_null(strstr(body, whole), "no '%s'", line);
    memory_free(body);
}

Test(vitals, threads_are_shown_while_they_run)
{
    cr_assert_eq(count_threads(), 0);
    vitals_round(vitals, VITALS_FEED);
    vitals_round(vitals, 1);
    cr_assert_eq(count_threads(), 2);
    vitals_ended(vitals, 1);
    cr_assert_eq(count_threads(), 1);
}

Test(vitals, before_anything_is_open_it_answers_that_it_is_not_ready)
{
    struct json *answer = get_json("/readyz", "503");
    const struct json *found = json_member(json_member(answer, "checks"), "list");
    cr_assert_str_eq(json_text(json_member(found, "reason")), "feed_unreachable");
    cr_assert_eq(json_kind_of(json_member(found, "entries")), JSON_KIND_ABSENT);
    json_close(answer);
    expect_metric("checkit_ready 0");
    expect_metric("checkit_list_entries{state=\"live\"} 0");
}

Test(vitals, the_store_is_looked_at_while_it_is_shown)
{
    struct fixture fixture = fixture_make();
    struct store *store = fixture_open(&fixture, NULL);
    struct error err = {0};
    cr_assert_eq(apply_one_entry(store, entry_make("a", "AB1234567", 1)), STORE_APPLIED);
    apply_offset(store, 3, 77);
    uint32_t pending = 1;
    while (pending > 0)
        cr_assert_eq(store_settle(store, &pending, &err), STATUS_OK);
    vitals_show_store(vitals, store);
    expect_metric("checkit_list_entries{state=\"live\"} 1");
    expect_metric("checkit_feed_position{partition=\"3\"} 77");
    vitals_show_store(vitals, NULL);
    expect_metric("checkit_list_entries{state=\"live\"} 0");
    store_close(store);
    fixture_end(&fixture);
}

/* --- all at once ---------------------------------------------------------------------------- */

static _Atomic bool stop;

static void *come_round(void *state)
{
    (void)state;
    uint64_t round = 0;
    while (!atomic_load(&stop)) {
        vitals_round(vitals, VITALS_FEED);
        histogram_add(&list->change_to_effect_ms, round % 5000);
        counters_add(&list->changes_applied, 1);
        if (round++ % 10 == 0)
            vitals_ended(vitals, VITALS_FEED);
        (void)usleep(100);
    }
    return NULL;
}

static void *ask(void *state)
{
    static const char *const requests[] = {"GET /metrics HTTP/1.0\r\n\r\n",
                                           "GET /readyz HTTP/1.0\r\n\r\n",
                                           "GET /livez HTTP/1.0\r\n\r\n"};
    _Atomic uint32_t *asked = state;
    for (uint32_t i = 0; !atomic_load(&stop); i++) {
        char *answer = http_ask(&address, requests[i % 3], strlen(requests[i % 3]));
        cr_assert_eq(strncmp(answer, "HTTP/1.1 ", 9), 0, "%s", answer);
        memory_free(answer);
        atomic_fetch_add(asked, 1);
    }
    return NULL;
}

/* A store is closed as soon as another, or none, is shown: who still looked would look at freed
 * memory. */
Test(vitals, stores_come_and_go_while_others_ask)
{
    enum { CLIENTS = 3, STORES = 8, ANSWERS_A_STORE = 4 };
    struct fixture fixture = fixture_make();
    pthread_t threads[CLIENTS + 1];
    _Atomic uint32_t asked = 0;
    cr_assert_eq(pthread_create(&threads[0], NULL, come_round, NULL), 0);
    for (int i = 1; i <= CLIENTS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, ask, (void *)&asked), 0);
    for (uint32_t i = 0; i < STORES; i++) {
        struct store *store = fixture_open(&fixture, NULL);
        vitals_show_store(vitals, store);
        uint32_t until = atomic_load(&asked) + ANSWERS_A_STORE;
        while (atomic_load(&asked) < until)
            (void)usleep(1000);
        vitals_show_store(vitals, NULL);
        store_close(store);
    }
    atomic_store(&stop, true);
    for (int i = 0; i <= CLIENTS; i++)
        (void)pthread_join(threads[i], NULL);
    fixture_end(&fixture);
}

/* --- off ------------------------------------------------------------------------------------ */

Test(vitals, switched_off_it_takes_marks_and_answers_nobody)
{
    struct vitals *quiet = NULL;
    struct error err = {0};
    char text[ADDRESS_TEXT_SIZE];
    config->http_listen = NULL;
    cr_assert_eq(vitals_open(config, list, &quiet, &err), STATUS_OK, "%s", err.text);
    cr_assert_not(vitals_address(quiet, text));
    vitals_round(quiet, 0);
    vitals_ended(quiet, 0);
    vitals_close(quiet);
}

Test(vitals, a_taken_port_fails)
{
    struct vitals *other = NULL;
    struct error err = {0};
    char text[ADDRESS_TEXT_SIZE];
    cr_assert(vitals_address(vitals, text));
    config->http_listen = text;
    cr_assert_eq(vitals_open(config, list, &other, &err), STATUS_FAIL);
    cr_assert_null(other);
    cr_assert_eq(err.exit_code, EX_CONFIG);
    vitals_close(NULL);
}
