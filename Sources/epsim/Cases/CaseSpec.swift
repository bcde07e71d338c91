// SPDX-License-Identifier: Apache-2.0
// epsim: the cases that the options ask for.

internal import CostModel
internal import ExpertParallel
internal import Kernels
internal import MoE
internal import Placement

/// One case as written.
struct CaseSpec: Equatable {
  var placement = PlacementSpec.contiguous
  var replicaChoice = ReplicaChoice.expertRoundRobin
  /// K; nil for the model's.
  var topK: Int?
  /// Capacity factor; nil for dropless.
  var capacity: Double?
  var dropPolicy = CapacityRule.DropPolicy.position
  var capacityScope = CapacityRule.Scope.rank
  /// What a step's load moves the selection bias by; nil where it stays.
  var biasUpdate: Double?
  var dedup = Dedup.none
  var transport = Transport.allToAllV
  /// Nil for that of the activations.
  var wire: WireFormat?
  var combine = CombineRule.exact
  var combineWire = ElementType.f32
  var chunks = 1
  var poll = Poll.on
  /// Which of these three are chosen by a table.
  var automatic = AutomaticKnobs()
  var compute = Compute.real
  /// FLOP/s of emulated compute.
  var expertRate: Double?
  var timing = RunCase.Timing.clocks
  var disturbance = Disturbance.none

  /// What stands for expert compute, as it is written.
  enum Compute: String, CaseIterable {
    case real, emulated, none
  }

  /// Whether chunks are moved on between blocks of work, as it is written.
  enum Poll: String, CaseIterable {
    case on, off
  }

  /// The options that make cases, as they were given.
  struct Words {
    let cases: CaseOptions
    let routing: RoutingOptions
    /// Nil for commands that run nothing.
    let execution: ExecutionOptions?
  }

  /// The cases that the options ask for: every combination of their lists, or each `--case`.
  ///
  /// - Parameter execution: nil for commands that run nothing: they take no such option.
  /// - Returns: the cases, and a remark where lists made some that cannot be.
  /// - Throws: ``InputError`` that names the value and what is accepted.
  static func all(
    _ options: CaseOptions, _ routing: RoutingOptions, _ execution: ExecutionOptions?
  ) throws -> (cases: [CaseSpec], remark: String?) {
    let words = Words(cases: options, routing: routing, execution: execution)
    let knobs = execution == nil ? CaseKnob.computed : CaseKnob.all
    var product = [CaseSpec()]
    for knob in knobs {
      guard let text = knob.text(words) else { continue }
      let words = try list(text, knob.name)
      product = try product.flatMap { spec in
        try words.map { word in
          var spec = spec
          try knob.set(&spec, word)
          return spec
        }
      }
    }
    var cases: [CaseSpec]
    var remark: String?
    if options.cases.isEmpty {
      (cases, remark) = try withoutContradictions(product)
    } else {
      guard product.count == 1 else {
        throw InputError(
          "--case is given beside lists that make \(product.count) cases; with --case the other "
            + "options take one value each")
      }
      cases = try options.cases.map { try product[0].changed(by: $0, knobs) }
    }
    if execution?.expertRate != nil, !cases.contains(where: { $0.compute == .emulated }) {
      throw InputError("--expert-rate is given, but no case has --compute emulated")
    }
    if let poll = execution?.poll, !cases.contains(where: \.mayChunk) {
      throw InputError("--poll \(poll) has no effect without --chunks of 2 or more")
    }
    try requireTable(execution?.exchangeTable, for: cases)
    for (option, given) in [
      ("drop-policy", routing.dropPolicy), ("capacity-scope", routing.capacityScope),
    ] {
      if let given, !cases.contains(where: { $0.capacity != nil }) {
        throw InputError("--\(option) \(given) has no effect without --capacity")
      }
    }
    for spec in cases { try spec.requireMeaning() }
    try requireDistinct(cases)
    // A list of rates makes cases of emulated compute only, one of policies limited cases only.
    for index in cases.indices {
      if !cases[index].mayChunk { cases[index].poll = .on }
      if cases[index].compute != .emulated { cases[index].expertRate = nil }
      if cases[index].capacity == nil {
        cases[index].dropPolicy = .position
        cases[index].capacityScope = .rank
      }
    }
    let distinct: [CaseSpec] = cases.reduce(into: []) { kept, spec in
      if !kept.contains(spec) { kept.append(spec) }
    }
    return (distinct, remark)
  }

  /// Refuses options that lack what they need, or have nothing to act on.
  private func requireMeaning() throws {
    if compute == .emulated, expertRate == nil {
      throw InputError(
        "--compute emulated needs --expert-rate, the FLOP/s of a rank's experts, such as 200G")
    }
    if compute == .none, let slowText {
      throw InputError("--slow \(slowText) has no expert time to stretch with --compute none")
    }
  }

  private static func requireDistinct(_ cases: [CaseSpec]) throws {
    for (index, spec) in cases.enumerated() where cases[..<index].contains(spec) {
      throw InputError("the case \(spec.placement) is given twice, cases must differ")
    }
  }

  /// This case with the options of a `--case` in place of its own.
  private func changed(by text: String, _ knobs: [CaseKnob]) throws -> CaseSpec {
    var result = self
    for pair in try Self.list(text, "case") {
      let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw InputError("--case \(text): \"\(pair)\" is not KEY=VALUE")
      }
      guard let knob = knobs.first(where: { $0.name == parts[0] }) else {
        throw InputError(
          "--case \(text): \(parts[0]) is not an option of a case, accepted are "
            + knobs.map(\.name).joined(separator: ", "))
      }
      try knob.set(&result, parts[1])
    }
    if let contradiction = result.contradiction {
      throw InputError("--case \(text): \(contradiction)")
    }
    return result
  }

  /// The words of a comma list.
  static func list(_ text: String, _ name: String) throws -> [String] {
    let items = text.split(separator: ",", omittingEmptySubsequences: false).map {
      String($0.drop { $0 == " " })
    }
    guard !items.contains("") else {
      throw InputError("--\(name) \"\(text)\" has an empty entry")
    }
    return items
  }

  static func value<Value: RawRepresentable<String> & CaseIterable>(
    _ type: Value.Type, _ text: String, _ name: String, also other: String? = nil
  ) throws -> Value {
    guard let value = Value(rawValue: text) else {
      let values = Value.allCases.map(\.rawValue) + (other.map { [$0] } ?? [])
      let accepted = values.joined(separator: ", ")
      throw InputError("--\(name) \(text) is unknown, accepted are \(accepted)")
    }
    return value
  }
}

extension CaseSpec {
  /// A short name that tells the case from the others.
  func name(among cases: [CaseSpec]) -> String {
    let others = CaseKnob.all.dropFirst().filter { knob in
      Set(cases.map(knob.word)).count > 1
    }.compactMap { $0.namePart(of: self) }
    // A placement that all cases share tells them no more apart than other options do.
    if !others.isEmpty, cases.allSatisfy({ $0.placement == placement }) {
      return others.joined(separator: " ")
    }
    let isAmbiguous = cases.contains {
      $0.placement.tableName == placement.tableName && $0.placement != placement
    }
    let first = isAmbiguous ? placement.description : placement.tableName
    return ([first] + others).joined(separator: " ")
  }

  /// The limit on the experts' load; nil for dropless.
  var capacityRule: CapacityRule? {
    capacity.map { CapacityRule(factor: $0, policy: dropPolicy, scope: capacityScope) }
  }

  /// What stands for expert compute.
  var expertCompute: ExpertCompute {
    switch compute {
    case .real: .real
    case .emulated: .emulated(rate: expertRate!)
    case .none: .none
    }
  }
}

extension PlacementSpec {
  /// The spec as written; of a path only the file's name.
  var tableName: String {
    guard let path = filePath else { return description }
    return path.split(separator: "/").last.map(String.init) ?? path
  }
}
