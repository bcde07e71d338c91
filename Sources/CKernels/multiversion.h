/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: one source, several instruction sets, the choice made when the program starts. */
#ifndef EPSIM_MULTIVERSION_H
#define EPSIM_MULTIVERSION_H

/* SwiftPM compiles for the oldest CPU of an architecture. On x86-64 a function marked CLONES is
   compiled three times and the loader binds the best one (this needs ELF's indirect functions);
   elsewhere the baseline already has its vector instructions. */
#if defined(__x86_64__) && defined(__ELF__)
#define CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define CLONES
#endif

/* What a CLONES function calls must be compiled for its instruction set, that is inside it. */
#define INLINE static inline __attribute__((always_inline))

#endif
