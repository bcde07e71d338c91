// SPDX-License-Identifier: Apache-2.0
// epsim: counts the allocations that epsim makes where it must not; preloaded by a test (glibc).
//
// malloc and its kin are replaced by functions that note who called. An allocation is epsim's where
// the first function up the stack that belongs to no runtime library (Swift, C, C++) lies in the
// program itself: what MPI or oneDNN allocate for themselves is not counted, what they allocate is
// not in epsim's hands. The program says where it stands: which counter an allocation belongs to,
// or that it may allocate.
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

// glibc's own names of what is replaced here.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { COUNTERS = 1024, FRAMES = 48, TEXT = 512, OBJECTS = 256 };

// The counter that an allocation made now belongs to; negative where allocations do not matter.
typedef int (*Place)(void);

static Place place;
static pthread_t watched;
static long counts[COUNTERS];
// Whose code lies where; dladdr would read all symbols at each allocation.
enum Owner { LIBRARY, PROGRAM, RUNTIME };
static struct Object {
  const char *base, *start, *end;
  enum Owner owner;
} objects[OBJECTS];
static int object_count;
static char first_callers[COUNTERS][TEXT];
static __thread int is_inside __attribute__((tls_model("initial-exec")));

static int is_runtime(const char *path) {
  static const char *const names[] = {"libswift", "libFoundation", "lib_Foundation",
                                      "libBlocksRuntime", "libdispatch", "libstdc++",
                                      "libc++", "libgcc_s", "libc.so", "libm.so", "ld-linux"};
  const char *name = strrchr(path, '/');
  name = name ? name + 1 : path;
  for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
    if (strncmp(name, names[index], strlen(names[index])) == 0) return 1;
  }
  return 0;
}

static const struct Object *object_of(const void *address) {
  const char *place = address;
  for (int index = 0; index < object_count; index++) {
    if (place >= objects[index].start && place < objects[index].end) return &objects[index];
  }
  return NULL;
}

// Takes down one object. The program comes first and has no name.
static int add_object(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size, (void)unused;
  if (object_count == OBJECTS) return 1;
  struct Object *object = &objects[object_count++];
  object->base = object->start = object->end = (const char *)info->dlpi_addr;
  for (int index = 0; index < info->dlpi_phnum; index++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[index];
    if (part->p_type != PT_LOAD) continue;
    const char *end = object->base + part->p_vaddr + part->p_memsz;
    if (end > object->end) object->end = end;
  }
  const char *own = (const char *)counts;
  int is_own = own >= object->start && own < object->end;
  object->owner = LIBRARY;
  if (is_own || is_runtime(info->dlpi_name)) object->owner = RUNTIME;
  if (object_count == 1) object->owner = PROGRAM;
  return 0;
}

// Notes the program's frames of a first allocation, as offsets that a symboliser takes.
static void describe(char *text, void *const *frames, int count) {
  size_t length = 0;
  for (int index = 0; index < count && length < TEXT - 24; index++) {
    const struct Object *object = object_of(frames[index]);
    if (!object || object->owner != PROGRAM) continue;
    // The address of a return lies behind its call.
    size_t offset = (size_t)((const char *)frames[index] - object->base) - 1;
    length += (size_t)snprintf(text + length, TEXT - length, "0x%zx ", offset);
  }
}

static void note(void) {
  if (!place || is_inside || !pthread_equal(pthread_self(), watched)) return;
  is_inside = 1;
  int counter = place();
  if (counter >= 0 && counter < COUNTERS) {
    void *frames[FRAMES];
    int count = backtrace(frames, FRAMES);
    for (int index = 0; index < count; index++) {
      const struct Object *object = object_of(frames[index]);
      if (object && object->owner == RUNTIME) continue;
      if (object && object->owner == PROGRAM && counts[counter]++ == 0) {
        describe(first_callers[counter], frames, count);
      }
      break;
    }
  }
  is_inside = 0;
}

// Counts from now on what the calling thread allocates, from zero; a null function ends it.
void epsim_count_allocations(Place where) {
  void *frame;
  place = NULL;
  if (!where) return;
  // The first call loads the unwinder, which allocates.
  backtrace(&frame, 1);
  object_count = 0;
  dl_iterate_phdr(add_object, NULL);
  watched = pthread_self();
  memset(counts, 0, sizeof counts);
  place = where;
}

long epsim_counted_allocations(int counter) { return counts[counter]; }

// The program's frames when a counter counted first.
const char *epsim_first_allocation(int counter) { return first_callers[counter]; }

void *malloc(size_t size) {
  note();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note();
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  note();
  return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  note();
  void *result = __libc_memalign(alignment, size);
  if (!result) return ENOMEM;
  *memory = result;
  return 0;
}
