// SPDX-License-Identifier: Apache-2.0
// epsim: which Swift types travel as which MPI datatypes.

internal import CMPIShim

/// The predefined MPI datatypes that have a Swift counterpart.
///
/// Source: MPI 3.1 section 3.2.2.
public enum PredefinedDatatype: Sendable {
  case bool, float, double
  case int8, int16, int32, int64
  case uint8, uint16, uint32, uint64

  var raw: cmpi_datatype {
    switch self {
    case .bool: cmpi_datatype(handle: cmpi_c_bool())
    case .float: cmpi_datatype(handle: cmpi_float())
    case .double: cmpi_datatype(handle: cmpi_double())
    case .int8: cmpi_datatype(handle: cmpi_int8_t())
    case .int16: cmpi_datatype(handle: cmpi_int16_t())
    case .int32: cmpi_datatype(handle: cmpi_int32_t())
    case .int64: cmpi_datatype(handle: cmpi_int64_t())
    case .uint8: cmpi_datatype(handle: cmpi_uint8_t())
    case .uint16: cmpi_datatype(handle: cmpi_uint16_t())
    case .uint32: cmpi_datatype(handle: cmpi_uint32_t())
    case .uint64: cmpi_datatype(handle: cmpi_uint64_t())
    }
  }
}

/// A value that MPI can send and reduce as it lies in memory.
public protocol MPIElement: BitwiseCopyable {
  /// The datatype with this type's size and arithmetic.
  static var datatype: PredefinedDatatype { get }
  /// Any value: what a receive buffer holds before data arrives.
  static var blank: Self { get }
}

extension MPIElement {
  static var raw: cmpi_datatype { datatype.raw }
}

extension MPIElement where Self: AdditiveArithmetic {
  public static var blank: Self { .zero }
}

extension Bool: MPIElement {
  public static var datatype: PredefinedDatatype { .bool }
  public static var blank: Bool { false }
}
extension Float: MPIElement { public static var datatype: PredefinedDatatype { .float } }
extension Double: MPIElement { public static var datatype: PredefinedDatatype { .double } }
extension Int: MPIElement { public static var datatype: PredefinedDatatype { .int64 } }
extension Int8: MPIElement { public static var datatype: PredefinedDatatype { .int8 } }
extension Int16: MPIElement { public static var datatype: PredefinedDatatype { .int16 } }
extension Int32: MPIElement { public static var datatype: PredefinedDatatype { .int32 } }
extension Int64: MPIElement { public static var datatype: PredefinedDatatype { .int64 } }
extension UInt8: MPIElement { public static var datatype: PredefinedDatatype { .uint8 } }
extension UInt16: MPIElement { public static var datatype: PredefinedDatatype { .uint16 } }
extension UInt32: MPIElement { public static var datatype: PredefinedDatatype { .uint32 } }
extension UInt64: MPIElement { public static var datatype: PredefinedDatatype { .uint64 } }
