// SPDX-License-Identifier: Apache-2.0
// epsim: how the values of the ranks become one.

internal import CMPIShim

/// How a reduction combines the values of the ranks, element by element.
///
/// Sums of floating-point values may depend on the number of ranks: MPI fixes no order.
/// Source: MPI 3.1 section 5.9.2.
public enum ReductionOperation: Sendable {
  case sum
  case min
  case max
  /// True (not zero, any value) where every value is; integers and `Bool` only.
  case logicalAnd
  /// True (not zero, any value) where some value is; integers and `Bool` only.
  case logicalOr

  var raw: cmpi_op {
    switch self {
    case .sum: cmpi_op(handle: cmpi_sum())
    case .min: cmpi_op(handle: cmpi_min())
    case .max: cmpi_op(handle: cmpi_max())
    case .logicalAnd: cmpi_op(handle: cmpi_land())
    case .logicalOr: cmpi_op(handle: cmpi_lor())
    }
  }
  /// Whether MPI defines this operation on a datatype.
  func applies(to datatype: PredefinedDatatype) -> Bool {
    switch self {
    case .sum, .min, .max: datatype != .bool
    case .logicalAnd, .logicalOr: datatype != .float && datatype != .double
    }
  }
}

/// Throws unless the operation is defined on the type.
///
/// Asked here and not of the library: MPICH 4.0 does not look, and ends the process in the middle
/// of the reduction.
func check<Element: MPIElement>(
  _ function: StaticString, _ operation: ReductionOperation, on type: Element.Type
) throws(MPIError) {
  guard operation.applies(to: Element.datatype) else {
    throw MPIError(function: function, code: Int32(MPI_ERR_OP))
  }
}
