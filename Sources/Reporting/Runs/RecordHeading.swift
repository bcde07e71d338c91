// SPDX-License-Identifier: Apache-2.0
// epsim: the lines above every table of a run.

/// What was run, on what, and what to think of its times.
struct RecordHeading {
  private let record: RunRecord

  init(_ record: RunRecord) { self.record = record }

  var text: String {
    let (model, workload, machine) = (record.model, record.workload, record.environment)
    var lines = [
      Self.text(model), Self.text(workload),
      "fitted placements see \(workload.fit), all are judged on \(workload.judged)",
      Self.text(
        ranks: machine.ranks, nodes: machine.nodes, cores: machine.cores,
        backend: machine.backend, isa: machine.isa, threads: machine.threads, mpi: machine.mpi),
    ]
    // Without a fitted placement there is nothing to be fitted to.
    if !record.cases.contains(where: \.isFitted) { lines.remove(at: 2) }
    if model.weights == "shared" && model.layers.count > 1 {
      lines.append("all layers use the weights of one: small models stay in cache")
    }
    if machine.functionalOnly || record.groups.contains(where: \.functionalOnly) {
      lines.append("FUNCTIONAL ONLY, NOT A TIMING: more ranks (times threads) than cores")
    }
    if machine.clocks.count > 1 {
      lines.append(
        "\(machine.clocks.count) clocks, aligned to within "
          + "\(Quantity.fixed(machine.clockErrorUs, 1)) us"
          + (machine.clocks.allSatisfy(\.verified) ? "" : " (drift not verified: too few anchors)"))
    }
    if !record.complete {
      let rounds = record.groups.reduce(0) { $0 + $1.rounds }
      lines.append("INCOMPLETE: ended after \(rounds) measured rounds; --resume adds the others")
    }
    lines += doubts
    if let judged = workload.judgedTokens {
      let uses = Double(workload.tokensPerStep * workload.measuredSteps) / Double(judged)
      // A window that wraps around repeats tokens: the interval then says nothing about them.
      if uses > 1 {
        let windows =
          workload.stepTokens.count > 1
          ? "windows of the measured steps pass" : "the measured steps use"
        lines.append(
          "\(windows) the \(Quantity.grouped(judged)) judged tokens "
            + "\(Quantity.fixed(uses, 1)) times: intervals are those of the machine, not of the tokens"
        )
      }
    }
    return lines.map { Paragraph($0, indent: 2).text }.joined(separator: "\n")
  }

  /// What the self-tests of the measurement object to.
  private var doubts: [String] {
    var doubts: [String] = []
    let violations =
      record.groups.reduce(0) { $0 + $1.causalityViolations }
      + record.cases.reduce(0) { $0 + $1.checks.causalityViolations }
    if violations > 0 {
      doubts.append(
        "CLOCKS DISAGREE: \(violations) messages arrived before they were sent, beyond the stated "
          + "errors; do not trust wait and transfer")
    }
    if record.cases.contains(where: { $0.checks.backwardStamps > 0 }) {
      doubts.append("THE CLOCK WENT BACK within a step; do not trust the times")
    }
    // Phases must account for the time of their layers.
    let leaking = record.cases.filter {
      ($0.phasesUs["other"]?.mean ?? 0) > 0.02 * $0.stepUs.median
    }
    if !leaking.isEmpty {
      doubts.append(
        "more than 2 % of the step lies outside the phases: "
          + leaking.map(\.name).joined(separator: ", "))
    }
    return doubts
  }
}

extension RecordHeading {
  static func text(_ model: RunRecord.Model) -> String {
    let layers = model.layers
    let isRange = layers.count > 4 && layers.last! - layers.first! == layers.count - 1
    let list =
      isRange
      ? "\(layers.first!)-\(layers.last!)" : layers.map { "\($0)" }.joined(separator: ",")
    return "\(model.name): hidden \(model.hiddenSize), FFN \(model.expertFfnSize), "
      + "\(model.experts) experts, top-\(model.topK), \(model.sharedExperts) shared, "
      + "layer\(layers.count == 1 ? "" : "s") \(list), \(model.dtype), weights \(model.weights)"
  }

  static func text(_ workload: RunRecord.Workload) -> String {
    let file = workload.name.split(separator: "/").last.map(String.init) ?? ""
    let name =
      switch workload.kind {
      case "trace": "choices from trace \(file)"
      case "generator": "choices from generator \(file)"
      default: "choices from the model's router"
      }
    let sizes = workload.stepTokens.map { "\($0)" }.joined(separator: ", ")
    return "\(name): \(sizes) tokens a step by \(workload.assignment), "
      + "\(workload.ofEachSize(\.measuredSteps)) steps"
      + "\(workload.stepTokens.count > 1 ? " of each" : "") after "
      + "\(workload.ofEachSize(\.warmupSteps)) of warm-up"
  }

  static func text(
    ranks: Int, nodes: Int, cores: Int, backend: String, isa: String, threads: Int, mpi: String
  ) -> String {
    "\(ranks) rank\(ranks == 1 ? "" : "s") on \(nodes) node\(nodes == 1 ? "" : "s"), \(cores) "
      + "cores, \(backend) (\(isa)), \(threads) thread\(threads == 1 ? "" : "s") a rank, "
      + (mpi.split(separator: ",").first.map(String.init) ?? "")
  }
}
