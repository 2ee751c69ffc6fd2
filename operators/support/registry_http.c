#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "operators/support/json.h"
#include "operators/support/registry_internal.h"
#include "operators/support/schema_text.h"
#include "pipeline/base/log.h"
#include "pipeline/base/memory.h"
#include "pipeline/config.h"
#include "pipeline/limits.h"

enum {
    HTTP_OK = 200,
    HTTP_NOT_FOUND = 404,
    HTTP_CONFLICT = 409,
    /* error_code of a reply */
    SUBJECT_UNKNOWN = 40401,
    VERSION_UNKNOWN = 40402,
    SCHEMA_UNKNOWN = 40403,
    EDGES_MAX = 256, /* references of all schemas that belong to one */
};

struct http {
    const struct config *config;
    struct registry_transfer *transfer; /* of the fetch thread */
};

/* One schema that another refers to. */
struct reference {
    char *subject; /* owned */
    int64_t version;
    struct json *reply; /* owned; NULL until it is fetched */
    uint32_t nesting;
    bool is_done; /* all it refers to is done */
};

/* A schema and all it refers to. References are fetched in the order they are found. */
struct family {
    struct http *http;
    struct reference references[REGISTRY_REFERENCES_MAX];
    uint32_t references_count;
    struct {
        uint32_t from;
        uint32_t to;
    } edges[EDGES_MAX]; /* between references */
    uint32_t edges_count;
    struct registry_fetched fault; /* why it is not complete */
};

/* --- replies -------------------------------------------------------------------------------- */

/* NULL when the body is no JSON object. The caller closes it. */
static struct json *parse_reply(const struct registry_reply *reply)
{
    struct json *json = NULL;
    struct error ignored;
    if (reply->status == 0 || json_parse(reply->body, reply->size, &json, &ignored) != STATUS_OK)
        return NULL;
    if (json_kind_of(json) == JSON_KIND_OBJECT)
        return json;
    json_close(json);
    return NULL;
}

static int64_t error_code_of(const struct json *json)
{
    int64_t code = 0;
    return json_whole(json_member(json, "error_code"), &code) ? code : 0;
}

static bool is_schema(const struct registry_reply *reply, const struct json *json)
{
    return reply->status == HTTP_OK && json_text(json_member(json, "schema"));
}

static struct registry_fetched no_answer(const struct registry_reply *reply)
{
    if (reply->status != HTTP_OK)
        return registry_fetched_not(REGISTRY_PENDING, "%s", reply->reason);
    return registry_fetched_not(REGISTRY_PENDING, "%s, but the reply is not as the API has it",
                                reply->reason);
}

/* --- references ----------------------------------------------------------------------------- */

static bool refuse(struct family *family, const char *why)
{
    family->fault = registry_fetched_not(REGISTRY_ABSENT, "its references: %s", why);
    return false;
}

static uint32_t find_reference(const struct family *family, const char *subject, int64_t version)
{
    uint32_t i = 0;
    while (i < family->references_count && (family->references[i].version != version ||
                                            strcmp(family->references[i].subject, subject) != 0))
        i++;
    return i;
}

/* One entry of "references"; from: who refers, REGISTRY_REFERENCES_MAX is the schema itself. */
static bool take_reference(struct family *family, const struct json *json, uint32_t from,
                           uint32_t nesting)
{
    int64_t version;
    const char *subject = json_text(json_member(json, "subject"));
    if (!subject || !json_whole(json_member(json, "version"), &version))
        return refuse(family, "one has no subject or no version");
    uint32_t to = find_reference(family, subject, version);
    if (to == family->references_count) {
        if (to == REGISTRY_REFERENCES_MAX)
            return refuse(family, "more than 64 schemas");
        if (nesting > REGISTRY_REFERENCES_NESTING_MAX)
            return refuse(family, "nested more than 16 deep");
        family->references[family->references_count++] =
            (struct reference){.subject = memory_copy_text(subject, strlen(subject)),
                               .version = version,
                               .nesting = nesting};
    }
    if (from == REGISTRY_REFERENCES_MAX)
        return true;
    if (family->edges_count == EDGES_MAX)
        return refuse(family, "more than 256 among each other");
    family->edges[family->edges_count].from = from;
    family->edges[family->edges_count++].to = to;
    return true;
}

static bool take_references(struct family *family, const struct json *reply, uint32_t from,
                            uint32_t nesting)
{
    const struct json *list = json_member(reply, "references");
    for (uint32_t i = 0; i < json_items(list); i++)
        if (!take_reference(family, json_item(list, i), from, nesting))
            return false;
    return true;
}

/* Text as it stands between two '/' of a path. */
static void add_escaped(struct buffer *path, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text; text++) {
        if (strchr(plain, *text))
            buffer_add(path, text, 1);
        else
            buffer_print(path, "%%%02X", (unsigned char)*text);
    }
}

/* A version that was deleted is still what it was when it was referred to. */
static bool fetch_reference(struct family *family, uint32_t index)
{
    struct reference *reference = &family->references[index];
    struct registry_reply reply;
    struct buffer path = {0};
    buffer_add_text(&path, "/subjects/");
    add_escaped(&path, reference->subject);
    buffer_print(&path, "/versions/%" PRId64 "?deleted=true", reference->version);
    registry_transfer_ask(family->http->transfer, path.data, NULL, &reply);
    buffer_close(&path);
    reference->reply = parse_reply(&reply);
    if (is_schema(&reply, reference->reply))
        return take_references(family, reference->reply, index, reference->nesting + 1);
    family->fault = no_answer(&reply);
    return false;
}

static bool leads_to_unfinished(const struct family *family, uint32_t index)
{
    for (uint32_t i = 0; i < family->edges_count; i++)
        if (family->edges[i].from == index && !family->references[family->edges[i].to].is_done)
            return true;
    return false;
}

/* Takes away what refers to nothing, again and again: what is left then goes in a circle. */
static bool is_circle_free(struct family *family)
{
    uint32_t done = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < family->references_count; i++) {
            if (family->references[i].is_done || leads_to_unfinished(family, i))
                continue;
            family->references[i].is_done = true;
            done++;
            moved = true;
        }
    }
    return done == family->references_count || refuse(family, "they go in a circle");
}

static struct bytes schema_of(const struct json *reply)
{
    return bytes_of_text(json_text(json_member(reply, "schema")));
}

static struct registry_fetched inline_all(const struct family *family, const struct json *reply)
{
    struct bytes others[REGISTRY_REFERENCES_MAX];
    struct buffer text = {0};
    struct error err;
    for (uint32_t i = 0; i < family->references_count; i++)
        others[i] = schema_of(family->references[i].reply);
    enum status status =
        schema_text_inline(schema_of(reply), others, family->references_count, &text, &err);
    if (status == STATUS_OK)
        return (struct registry_fetched){
            .answer = REGISTRY_FOUND, .text = text.data, .size = text.size};
    buffer_close(&text);
    return registry_fetched_not(REGISTRY_ABSENT, "with its references: %s", err.text);
}

/* A schema with what it refers to. */
static struct registry_fetched join(struct http *http, const struct json *reply)
{
    struct family *family = memory_new(1, sizeof *family);
    family->http = http;
    bool is_whole = take_references(family, reply, REGISTRY_REFERENCES_MAX, 1);
    for (uint32_t i = 0; is_whole && i < family->references_count; i++)
        is_whole = fetch_reference(family, i);
    is_whole = is_whole && is_circle_free(family);
    struct registry_fetched fetched = is_whole ? inline_all(family, reply) : family->fault;
    for (uint32_t i = 0; i < family->references_count; i++) {
        json_close(family->references[i].reply);
        memory_free(family->references[i].subject);
    }
    memory_free(family);
    return fetched;
}

/* --- a schema by id ------------------------------------------------------------------------- */

static struct registry_fetched take_schema(struct http *http, const struct json *reply)
{
    struct bytes schema = schema_of(reply);
    if (schema.size > SCHEMA_BYTES_MAX)
        return registry_fetched_not(REGISTRY_ABSENT, "larger than 1 MB");
    if (json_items(json_member(reply, "references")) > 0)
        return join(http, reply);
    return (struct registry_fetched){.answer = REGISTRY_FOUND,
                                     .text =
                                         memory_copy_text((const char *)schema.data, schema.size),
                                     .size = schema.size};
}

static struct registry_fetched fetch(void *state, uint32_t id)
{
    struct http *http = state;
    char path[64];
    if (id > INT32_MAX) /* some registries take that for a malformed question, and would hold it */
        return registry_fetched_not(REGISTRY_ABSENT, "ids end at 2147483647");
    (void)snprintf(path, sizeof path, "/schemas/ids/%" PRIu32, id);
    struct registry_reply reply;
    registry_transfer_ask(http->transfer, path, NULL, &reply);
    struct json *json = parse_reply(&reply);
    struct registry_fetched fetched;
    if (is_schema(&reply, json))
        fetched = take_schema(http, json);
    else if (reply.status == HTTP_NOT_FOUND && error_code_of(json) == SCHEMA_UNKNOWN)
        fetched = registry_fetched_not(REGISTRY_ABSENT, "the registry has none");
    else
        fetched = no_answer(&reply);
    json_close(json);
    return fetched;
}

/* --- the id of a schema of ours ------------------------------------------------------------- */

/* What is asked about one schema under one subject. */
struct question {
    struct registry_transfer *transfer;
    char *body; /* {"schema": ...}; owned */
    const char *topic;
    char name[REGISTRY_NAME_SIZE];
    struct registry_reply reply;
    struct json *json; /* the reply; owned */
};

/* Asks /BEFORE/TOPIC-value/AFTER. */
static void ask(struct question *question, const char *before, const char *after)
{
    struct buffer path = {0};
    buffer_add_text(&path, before);
    add_escaped(&path, question->topic);
    buffer_print(&path, "-value%s", after);
    json_close(question->json);
    registry_transfer_ask(question->transfer, path.data, question->body, &question->reply);
    question->json = parse_reply(&question->reply);
    buffer_close(&path);
}

static bool take_id(const struct question *question, uint32_t *id)
{
    int64_t value = 0;
    if (question->reply.status != HTTP_OK ||
        !json_whole(json_member(question->json, "id"), &value) || value < 1 || value > INT32_MAX)
        return false;
    *id = (uint32_t)value;
    return true;
}

static enum status no_reply(const struct question *question, struct error *err)
{
    const char *message = json_text(json_member(question->json, "message"));
    return error_fail(err, EX_UNAVAILABLE,
                      "the schema registry gives no answer about our schema %s under the subject "
                      "%s-value: %s%s%.200s",
                      question->name, question->topic, question->reply.reason, message ? ": " : "",
                      message ? message : "");
}

static enum status refuse_incompatible(const struct question *question, struct error *err)
{
    return error_fail(err, EX_CONFIG,
                      "our schema %s is not compatible with what is registered under the subject "
                      "%s-value: write to another topic, or change that subject's compatibility",
                      question->name, question->topic);
}

/* Whether there is nothing yet that a schema could be incompatible with. */
static bool is_new_subject(const struct question *question)
{
    int64_t code = error_code_of(question->json);
    return question->reply.status == HTTP_NOT_FOUND &&
           (code == SUBJECT_UNKNOWN || code == VERSION_UNKNOWN);
}

static enum status register_schema(struct question *question, uint32_t *id, struct error *err)
{
    ask(question, "/compatibility/subjects/", "/versions/latest");
    const struct json *is_compatible = json_member(question->json, "is_compatible");
    bool is_told =
        question->reply.status == HTTP_OK && json_kind_of(is_compatible) == JSON_KIND_BOOL;
    if (is_told && !json_bool(is_compatible))
        return refuse_incompatible(question, err);
    if (!is_told && !is_new_subject(question))
        return no_reply(question, err);

    ask(question, "/subjects/", "/versions");
    if (question->reply.status == HTTP_CONFLICT)
        return refuse_incompatible(question, err);
    if (!take_id(question, id))
        return no_reply(question, err);
    LOG_INFO("registry", "schema registered", LOG_TEXT("schema", question->name),
             LOG_TEXT("topic", question->topic), LOG_INTEGER("id", *id));
    return STATUS_OK;
}

static enum status find_id(struct question *question, bool may_register, uint32_t *id,
                           struct error *err)
{
    ask(question, "/subjects/", "");
    if (take_id(question, id))
        return STATUS_OK;
    int64_t code = error_code_of(question->json);
    if (question->reply.status != HTTP_NOT_FOUND ||
        (code != SUBJECT_UNKNOWN && code != SCHEMA_UNKNOWN))
        return no_reply(question, err);
    if (may_register)
        return register_schema(question, id, err);
    return error_fail(err, EX_CONFIG,
                      "the schema registry has our schema %s not under the subject %s-value: "
                      "register it there (`checkit schemas DIR` writes it), or set "
                      "schemas.register to true",
                      question->name, question->topic);
}

static char *body_of(const char *schema)
{
    struct buffer body = {0};
    struct json *json = json_new_object();
    json_put_text(json, "schema", schema);
    json_write(json, &body);
    json_close(json);
    return body.data;
}

/* With a connection of its own: the fetch thread may be using the other. */
static enum status id_of(void *state, const char *topic, const char *our_schema, uint32_t *id,
                         struct error *err)
{
    const struct http *http = state;
    struct question question = {.topic = topic};
    TRY(registry_transfer_open(http->config, NULL, &question.transfer, err));
    question.body = body_of(our_schema);
    registry_name_of(our_schema, question.name);
    enum status status = find_id(&question, http->config->schemas_register, id, err);
    json_close(question.json);
    memory_free(question.body);
    registry_transfer_close(question.transfer);
    return status;
}

static enum status latest_of(void *state, const char *topic, uint32_t *id, struct error *err)
{
    const struct http *http = state;
    struct question question = {.topic = topic};
    TRY(registry_transfer_open(http->config, NULL, &question.transfer, err));
    ask(&question, "/subjects/", "/versions/latest");
    *id = 0;
    enum status status = STATUS_OK;
    if (!take_id(&question, id) && !is_new_subject(&question))
        status = error_fail(err, EX_UNAVAILABLE,
                            "the schema registry gives no answer about the subject %s-value: %s",
                            topic, question.reply.reason);
    json_close(question.json);
    registry_transfer_close(question.transfer);
    return status;
}

/* --- open and close ------------------------------------------------------------------------- */

static void close_http(void *state)
{
    struct http *http = state;
    registry_transfer_close(http->transfer);
    memory_free(http);
}

enum status registry_http_open(const struct config *config, const atomic_bool *cancelled,
                               struct registry_source *source, struct error *err)
{
    struct http *http = memory_new(1, sizeof *http);
    http->config = config;
    enum status status = registry_transfer_open(config, cancelled, &http->transfer, err);
    if (status != STATUS_OK) {
        memory_free(http);
        return status;
    }
    *source = (struct registry_source){
        config->schemas_registry, http, fetch, id_of, latest_of, close_http};
    return STATUS_OK;
}
