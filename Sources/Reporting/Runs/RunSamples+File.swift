// SPDX-License-Identifier: Apache-2.0
// epsim: the samples of a run as a file.

internal import CostModel
internal import Foundation
internal import MoE
internal import Timing
internal import Workloads

/// Container: safetensors. Per case and block four tensors of I64: `stamps` [steps, R, stamps of a
/// step] nanoseconds on the clock of rank 0, `clock_errors` [steps, R] nanoseconds, `traffic`
/// [steps, counters], `volumes` [steps, values of a volume]. The metadata entry `epsim` holds everything else as JSON.
extension RunSamples {
  /// Name of the file beside `record.json`.
  public static let fileName = "samples.safetensors"

  private static let schema = "epsim-samples/2"

  /// The metadata entry.
  private struct Header: Codable {
    var schema: String
    var identity: RunIdentity
    var groups: [RunRecord.SampleGroup]
    var cases: [Entry]

    struct Entry: Codable {
      var caseIndex: Int
      var block: Int
      var layers: Int
      /// Ranks whose completions the stamps hold; nil where exchanges are collectives.
      var partners: Int?
      /// Whether the stamps hold the flights of exchanges; nil where they do not.
      var flights: Bool?
      var groupSteps: [Int]
      /// Nanoseconds; nil where waiting is told by clocks.
      var barrierCost: Int64?
      var digest: UInt64
      var referenceError: Double?
      var referenceTokens: Int
    }
  }

  /// The bytes of the file.
  public func encoded() throws -> [UInt8] {
    let entries = cases.map { samples in
      Header.Entry(
        caseIndex: samples.caseIndex, block: samples.block,
        layers: samples.timeline.layout.layerCount,
        partners: samples.timeline.layout.partnerCount == 0
          ? nil : samples.timeline.layout.partnerCount,
        flights: samples.timeline.layout.hasFlights ? true : nil,
        groupSteps: samples.groupSteps,
        barrierCost: samples.timeline.timing.barrierCost, digest: samples.digest,
        referenceError: samples.referenceError, referenceTokens: samples.referenceTokens)
    }
    let header = Header(schema: Self.schema, identity: identity, groups: groups, cases: entries)
    let contents = cases.flatMap { samples -> [SafetensorsFile.Content] in
      let timeline = samples.timeline
      func tensor(_ name: String, _ shape: [Int], _ values: [Int64]) -> SafetensorsFile.Content {
        SafetensorsFile.Content(
          name: Self.name(name, samples.caseIndex, samples.block), elementType: .i64,
          shape: shape, values: values)
      }
      let (steps, ranks) = (timeline.stepCount, timeline.rankCount)
      return [
        tensor("stamps", [steps, ranks, timeline.layout.stampsPerStep], timeline.stamps),
        tensor("clock_errors", [steps, ranks], timeline.clockErrors),
        tensor(
          "traffic", [steps, samples.traffic.first?.count ?? 0],
          samples.traffic.flatMap { $0.map(Int64.init) }),
        tensor(
          "volumes", [samples.volumes.count, ExchangeVolume.valueCount],
          samples.volumes.flatMap { $0.values.map(Int64.init) }),
      ]
    }
    let text = try RecordCoding.text(header)
    return try SafetensorsFile(contents: contents, metadata: ["epsim": text]).encoded()
  }

  /// Parses a file.
  ///
  /// - Parameter name: what the error sentences call it.
  /// - Throws: ``InputError`` for anything but a file of samples that fit together.
  public init(bytes: [UInt8], name: String) throws {
    let file = try SafetensorsFile(bytes: bytes, name: name)
    guard let text = file.metadata["epsim"],
      let header = try? RecordCoding.decode(Header.self, from: Data(text.utf8)),
      header.schema == Self.schema
    else {
      throw InputError(
        "\(name) holds no samples of the schema \(Self.schema), which this epsim adds to; samples "
          + "of an older one must be measured again")
    }
    let cases = try header.cases.map { entry in
      try Self.samples(entry, of: file, groups: header.groups.count)
        ?? { () throws in
          throw InputError(
            "\(name): the samples of case \(entry.caseIndex) in block \(entry.block) do not fit "
              + "together; the file was altered")
        }()
    }
    self.init(identity: header.identity, groups: header.groups, cases: cases)
    guard fitsTogether else {
      throw InputError(
        "\(name): its groups of samples do not add up to the rounds that it holds; the file was "
          + "altered")
    }
  }

  /// Whether every group has the rounds that it claims, and the cases of a block the same ones.
  public var fitsTogether: Bool {
    guard let kind = groups.first?.kind, kind != .resume, !cases.isEmpty else { return false }
    // The base stands in every block, any other case in one.
    let places = cases.map { [$0.caseIndex, $0.block] }
    let others = cases.map(\.caseIndex).filter { $0 != 0 }
    guard Set(places).count == cases.count, Set(others).count == others.count else { return false }
    func steps(_ samples: CaseSamples) -> [Int] {
      samples.groupSteps
        + Array(repeating: 0, count: max(0, groups.count - samples.groupSteps.count))
    }
    let isPaired = cases.allSatisfy { own in
      samples(ofCase: 0, block: own.block).map { steps($0) == steps(own) } ?? false
    }
    let bases = cases.filter { $0.caseIndex == 0 }
    return isPaired
      && groups.enumerated().allSatisfy { index, group in
        group.hosts.count == identity.ranks
          && bases.reduce(0) { $0 + steps($1)[index] } == group.rounds
      }
  }

  /// The samples of one case; nil where sizes or values cannot be.
  private static func samples(
    _ entry: Header.Entry, of file: SafetensorsFile, groups: Int
  ) throws -> CaseSamples? {
    func tensor(_ name: String) -> (shape: [Int], values: [Int64])? {
      file.tensor(Self.name(name, entry.caseIndex, entry.block)).flatMap { tensor in
        tensor.elementType == .i64 ? (tensor.shape, file.integers(tensor)) : nil
      }
    }
    guard let stamps = tensor("stamps"), let errors = tensor("clock_errors"),
      let traffic = tensor("traffic"), let volumes = volumes(tensor("volumes")),
      stamps.shape.count == 3, traffic.shape.count == 2,
      (1...100_000).contains(entry.layers), entry.caseIndex >= 0, entry.block >= 0,
      entry.groupSteps.count <= groups, entry.groupSteps.allSatisfy({ (0...1 << 32).contains($0) })
    else { return nil }
    let (steps, ranks) = (stamps.shape[0], stamps.shape[1])
    guard (1...1 << 24).contains(ranks), entry.partners == nil || entry.partners == ranks else {
      return nil
    }
    let layout = StampLayout(
      layerCount: entry.layers, partnerCount: entry.partners ?? 0,
      hasFlights: entry.flights ?? false)
    guard stamps.shape[2] == layout.stampsPerStep, errors.shape == [steps, ranks],
      traffic.shape[0] == steps, volumes.count == steps, entry.groupSteps.reduce(0, +) == steps,
      // 36 years of nanoseconds: sums and differences of a few of these cannot overflow.
      stamps.values.allSatisfy({ (-1 << 60...1 << 60).contains($0) }),
      errors.values.allSatisfy({ (0...1 << 60).contains($0) }),
      traffic.values.allSatisfy({ (0...1 << 40).contains($0) }),
      (0...1 << 40).contains(entry.barrierCost ?? 0)
    else { return nil }
    var timeline = CaseTimeline(
      layout: layout, rankCount: ranks,
      timing: entry.barrierCost.map { .barrier(cost: $0) } ?? .clocks)
    let rowLength = layout.stampsPerStep
    for step in 0..<steps {
      timeline.append(
        stampsOfRank: (0..<ranks).map { rank in
          let start = (step * ranks + rank) * rowLength
          return Array(stamps.values[start..<start + rowLength])
        }, clockErrors: Array(errors.values[step * ranks..<(step + 1) * ranks]))
    }
    // Ratios and shares are taken of these.
    guard timeline.stepTimes().allSatisfy({ $0 > 0 }),
      (0..<steps).allSatisfy({ step in
        (0..<ranks).allSatisfy { timeline.wallTime(rank: $0, step: step) > 0 }
      })
    else { return nil }
    let width = traffic.shape[1]
    var samples = CaseSamples(
      caseIndex: entry.caseIndex, block: entry.block, timeline: timeline,
      traffic: (0..<steps).map { traffic.values[$0 * width..<($0 + 1) * width].map(Int.init) },
      volumes: volumes, digest: entry.digest, referenceError: entry.referenceError,
      referenceTokens: entry.referenceTokens)
    samples.groupSteps = entry.groupSteps
    return samples
  }

  /// [steps] volumes; nil where sizes or values cannot be.
  private static func volumes(_ tensor: (shape: [Int], values: [Int64])?) -> [ExchangeVolume]? {
    let width = ExchangeVolume.valueCount
    guard let tensor, tensor.shape.count == 2, tensor.shape[1] == width,
      // A petabyte in a step; sums are taken in floating point.
      tensor.values.allSatisfy({ (0...1 << 50).contains($0) })
    else { return nil }
    let volumes = (0..<tensor.shape[0]).map { step in
      ExchangeVolume(values: tensor.values[step * width..<(step + 1) * width].map(Int.init))
    }
    let isWhole = volumes.flatMap { [$0.dispatch, $0.combine] }.allSatisfy {
      $0.offNodeRows <= $0.rows && $0.offNodeBytes <= $0.bytes
    }
    return isWhole ? volumes : nil
  }

  private static func name(_ tensor: String, _ caseIndex: Int, _ block: Int) -> String {
    "case.\(caseIndex).block.\(block).\(tensor)"
  }
}

extension SafetensorsFile {
  /// The elements of an I64 tensor.
  fileprivate func integers(_ tensor: Tensor) -> [Int64] {
    buffer[tensor.byteRange].withUnsafeBytes { bytes in
      (0..<tensor.elementCount).map {
        Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }
  }
}

extension ExchangeTiming {
  /// The cost of a barrier, nanoseconds; nil where waiting is told by clocks.
  fileprivate var barrierCost: Int64? {
    if case .barrier(let cost) = self { cost } else { nil }
  }
}
