#include "pipeline/mapping.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    struct mapping mapping;
} presets[] = {
    {"booking",
     {.documents = {{.path = "travellers[].documents[]",
                     .number = "number",
                     .issuer = "issuer",
                     .type = "type",
                     .nationality = "nationality"}},
      .documents_count = 1,
      .event_id = "event_id",
      .event_time = "event_time",
      .partner = "partner_id",
      .journey = "journey_ref",
      .sector = "sector",
      .stage = "stage",
      .place = "origin"}},
    {"banking",
     {.documents = {{.path = "documents[]",
                     .number = "number",
                     .issuer = "issuer",
                     .type = "type",
                     .nationality = "nationality"}},
      .documents_count = 1,
      .event_id = "event_id",
      .event_time = "event_time",
      .partner = "partner_id",
      .journey = "customer_ref",
      .stage = "stage",
      .sector_fixed = "BANKING"}},
};

const struct mapping *mapping_preset(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i].mapping;
    return NULL;
}
