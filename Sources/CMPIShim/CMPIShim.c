/* SPDX-License-Identifier: Apache-2.0 */
/* epsim: what the Swift binding takes for granted about the MPI library. */
#include "CMPIShim.h"

#include <stdbool.h>

_Static_assert(MPI_VERSION >= 3, "epsim needs MPI 3.0 or newer");
_Static_assert(MPI_SUCCESS == 0, "MPI 3.1, 8.4: success is zero");

/* Counts and ranks are int; addresses hold 64 bits. */
_Static_assert(sizeof(int) == 4, "counts are passed as Int32");
_Static_assert(sizeof(MPI_Aint) == 8, "addresses are passed as Int");
_Static_assert(sizeof(MPI_Count) == 8, "byte counts of datatypes are passed as Int");
_Static_assert(MPI_MAX_ERROR_STRING >= 64, "room for the text of an error");

/* The element types of MPIElement are the C types of their datatypes. */
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "MPI_FLOAT and MPI_DOUBLE");
_Static_assert(sizeof(bool) == 1, "MPI_C_BOOL carries Swift's Bool");

/* A box adds nothing to its handle. */
_Static_assert(sizeof(cmpi_comm) == sizeof(MPI_Comm), "box of a communicator");
_Static_assert(sizeof(cmpi_datatype) == sizeof(MPI_Datatype), "box of a datatype");
_Static_assert(sizeof(cmpi_op) == sizeof(MPI_Op), "box of an operation");
