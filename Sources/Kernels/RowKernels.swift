// SPDX-License-Identifier: Apache-2.0
// epsim: conversion, gather and scatter of rows.

internal import CKernels

/// Operations on rows at the speed of memory: no allocation, no checks of pointers or indices.
///
/// All arrays are row-major. Source and target must not overlap unless a function says so.
public enum RowKernels {
  /// Converts an array between storage types, or copies it.
  ///
  /// f32 to bf16 rounds to nearest, ties to even; NaN stays NaN (quiet), infinities stay, values
  /// beyond the largest bf16 round to infinity. bf16 to f32 is exact.
  public static func convert(
    count: Int, from source: UnsafeRawPointer, type sourceType: ElementType,
    into target: UnsafeMutableRawPointer, type targetType: ElementType
  ) {
    switch (sourceType, targetType) {
    case (.f32, .bf16):
      ck_convert_f32_bf16(
        count, source.assumingMemoryBound(to: Float.self),
        target.assumingMemoryBound(to: UInt16.self))
    case (.bf16, .f32):
      ck_convert_bf16_f32(
        count, source.assumingMemoryBound(to: UInt16.self),
        target.assumingMemoryBound(to: Float.self))
    case (.f32, .f32), (.bf16, .bf16):
      target.copyMemory(from: source, byteCount: count * sourceType.byteCount)
    }
  }

  /// Collects rows by index, with the conversions of ``convert(count:from:type:into:type:)``.
  ///
  /// target [rows, length] = source [indices[i], length]; an index may occur more than once.
  public static func gather(
    rows: Int, length: Int, indices: UnsafePointer<Int32>, from source: UnsafeRawPointer,
    type sourceType: ElementType, into target: UnsafeMutableRawPointer,
    type targetType: ElementType
  ) {
    switch (sourceType, targetType) {
    case (.f32, .bf16):
      ck_gather_f32_bf16(
        rows, length, indices, source.assumingMemoryBound(to: Float.self),
        target.assumingMemoryBound(to: UInt16.self))
    case (.bf16, .f32):
      ck_gather_bf16_f32(
        rows, length, indices, source.assumingMemoryBound(to: UInt16.self),
        target.assumingMemoryBound(to: Float.self))
    case (.f32, .f32), (.bf16, .bf16):
      ck_gather(rows, length * sourceType.byteCount, indices, source, target)
    }
  }

  /// Collects rows of bytes by index: target[i] = source[indices[i]].
  public static func gather(
    rows: Int, byteCount: Int, indices: UnsafePointer<Int32>, from source: UnsafeRawPointer,
    into target: UnsafeMutableRawPointer
  ) {
    ck_gather(rows, byteCount, indices, source, target)
  }

  /// Distributes rows of bytes by index: target[indices[i]] = source[i].
  ///
  /// Where an index occurs more than once, one of its rows remains.
  public static func scatter(
    rows: Int, byteCount: Int, indices: UnsafePointer<Int32>, from source: UnsafeRawPointer,
    into target: UnsafeMutableRawPointer
  ) {
    ck_scatter(rows, byteCount, indices, source, target)
  }
}
