/* list_store.h - where a command finds the list: at rest in its directory, or with the process
 * that has it open, which is asked at its Unix socket. Which it is, is found out.
 *
 * Of a running process's list a command gets a checkpoint, and works on that with its own CPU; the
 * one who screens is not disturbed. One thread.
 */
#ifndef CHECKIT_LIST_STORE_H
#define CHECKIT_LIST_STORE_H

#include "operators/support/http_client.h"
#include "operators/support/json.h"
#include "operators/support/store.h"
#include "pipeline/config.h"
#include "pipeline/run/arguments.h"
#include "pipeline/run/list_folder.h"
#include "pipeline/run/progress.h"

/* All zero before list_store_open; closed whatever came of it. */
struct list_store {
    const struct config *config;
    const char *store; /* the directory that is meant */
    struct store_key *key;
    struct http_client *client; /* NULL: nobody has it open */
    struct list_folder folder;  /* of a checkpoint */
    char *logs;                 /* of a list at rest; owned */
    char path[PATH_MAX];        /* where the list stands at rest; "" before list_store_rest */
};

/* store: another directory than the configured one, such as a snapshot; or NULL. EX_UNAVAILABLE: a
 * process has it open and does not answer. From then on SIGINT and SIGTERM only ask to end. */
enum status list_store_open(struct list_store *source, const struct config *config,
                            const char *store, struct error *err) MUST_USE;
void list_store_close(struct list_store *source);

/* The question with its argument escaped, to ask with. EX_USAGE: too long. */
enum { LIST_TARGET_SIZE = 1000 };
enum status list_store_target(const char *question, const char *argument,
                              char out[LIST_TARGET_SIZE], struct error *err) MUST_USE;

/* Asks the process: *answer is the caller's, json_close. *code: 200 or 404, all else is an error.
 */
enum status list_store_ask(struct list_store *source, const char *target, bool is_post,
                           uint32_t *code, struct json **answer, struct error *err) MUST_USE;

/* Has the list at rest, by a checkpoint where it is needed: path. */
enum status list_store_rest(struct list_store *source, struct error *err) MUST_USE;

/* Where RocksDB's log of a list opened for reading goes; lives until list_store_close. */
enum status list_store_logs(struct list_store *source, const char **logs,
                            struct error *err) MUST_USE;

/* As list_store_rest, opened by store_inspect. *out is the caller's, before list_store_close. */
enum status list_store_inspect(struct list_store *source, struct store **out,
                               struct error *err) MUST_USE;

/* A scan that tells on `out`, or NULL, how far it is, until progress_end, and ends when a signal
 * asks for it. threads 0: one a processor. */
struct store_scan list_store_scan(struct progress *progress, FILE *out,
                                  const struct progress_task *task, uint64_t threads);

/* What a command on a list does; *source is all zero, and closed behind it. */
typedef enum status list_work(struct list_store *source, const void *options,
                              const struct operands *operands, const struct config *config,
                              struct error *err);

struct list_command {
    const struct arguments_command *command;
    void *options;             /* the command's own struct, zeroed */
    const char *const *config; /* in it: the name of the configuration */
    list_work *work;
};

/* Reads arguments and configuration, and does the work. */
enum status list_command_run(const struct list_command *command, int argc, char **argv,
                             struct error *err) MUST_USE;

#endif
