/* point.h - named places where a test may kill the process, as a power cut would.
 *
 * CHECKIT_KILL_POINT=name or name:N ends the process with SIGKILL when the place is reached for
 * the N-th time (default 1). Unset, a place costs one predictable branch; places stand at batch
 * boundaries, never in a loop over records. grep -rn "POINT(" lists them.
 */
#ifndef CHECKIT_BASE_POINT_H
#define CHECKIT_BASE_POINT_H

void point_reached(const char *name);

#define POINT(name) point_reached(name)

#endif
