/* assets.h - the files compiled into the program: contracts (schemas/) and rule data (config/). */
#ifndef CHECKIT_BASE_ASSETS_H
#define CHECKIT_BASE_ASSETS_H

#include "pipeline/base/bytes.h"

/* name: the path from the top of the project, such as "schemas/Alert.avsc". The bytes live as
 * long as the program and are followed by a NUL; data is NULL when there is no such asset. */
struct bytes assets_find(const char *name);

#endif
