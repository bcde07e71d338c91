// SPDX-License-Identifier: Apache-2.0
// epsim: from the words of the workload options to a model, tokens and loads.

internal import CostModel
internal import MoE
internal import Placement
internal import Workloads

/// A model with what its tokens do: everything but the ranks.
struct WorkloadSetup {
  let model: ModelShape
  /// What of the model's config.json was not used, for the one process that prints.
  let modelRemark: String?
  /// The layers in use, in the model's numbering, ascending.
  let layers: [Int]
  /// The trace, where the workload is one.
  let trace: RoutingTrace?
  /// The live router; nil where choices are looked up.
  let router: RouterSpec?
  /// The generator or trace spec; nil for the live router.
  let spec: WorkloadSpec?
  /// The load that the generator reproduces, where it takes one.
  let generatorLoad: LoadHistogram?
  /// What fitted placements see.
  let fit: Fit
  /// Tokens of the trace that are judged.
  let judgedTokens: Range<Int>
  let options: WorkloadOptions

  /// Where the load of fitted placements comes from.
  enum Fit: Equatable {
    case tokens(FitRange)
    case file(String)
  }

  /// The files that the options name; for the rank that reads them.
  static func requests(
    _ options: WorkloadOptions, placements: [PlacementSpec]
  ) throws -> [InputFiles.Request] {
    var requests = [
      InputFiles.Request(
        name: options.model, path: try ModelLibrary.path(of: options.model), kind: "model")
    ]
    if !RouterSpec.isRouter(options.workload) {
      let spec = try WorkloadSpec(parsing: options.workload)
      if case .trace(let path) = spec {
        requests.append(InputFiles.Request(name: path, path: path, kind: "trace"))
      } else if let path = spec.loadPath {
        requests.append(InputFiles.Request(name: path, path: path, kind: "load file"))
      }
    }
    if let fit = options.fit, FitRange(rawValue: fit) == nil {
      try Self.requireLoadFile(fit)
      requests.append(InputFiles.Request(name: fit, path: fit, kind: "load file"))
    }
    for path in placements.compactMap(\.filePath) {
      requests.append(InputFiles.Request(name: path, path: path, kind: "placement"))
    }
    return requests
  }

  private static func requireLoadFile(_ text: String) throws {
    guard text.contains("/") || text.hasSuffix(".csv") else {
      throw InputError(
        "--fit \(text) is unknown, accepted are first-half, all, or the path of a load file (.csv)")
    }
  }

  init(_ options: WorkloadOptions, files: InputFiles, placements: [PlacementSpec]) throws {
    self.options = options
    let document = try ModelDocument(text: files.text(options.model), name: options.model)
    model = document.model
    modelRemark = ModelLibrary.remark(on: document, name: options.model)
    try model.requireExperts()
    layers = try Self.layers(options.layers, of: model)
    let isRouter = RouterSpec.isRouter(options.workload)
    router = isRouter ? try RouterSpec(parsing: options.workload) : nil
    spec = isRouter ? nil : try WorkloadSpec(parsing: options.workload)
    if let assignment = spec?.requiredAssignment, options.assignment != assignment {
      throw InputError(
        "workload \(options.workload) is about unequal tokens per rank, it needs --assignment "
          + "\(assignment.rawValue)")
    }
    generatorLoad = try spec?.loadPath.map { [model, layers] path in
      try LoadHistogram(
        bytes: files.bytes(path), name: "load file \(path)",
        layerLists: [Array(model.moeLayers), layers], expertCount: model.expertCount)
    }
    if case .trace(let path)? = spec {
      let name = "trace \(path)"
      let trace = try RoutingTrace(
        file: SafetensorsFile(bytes: files.bytes(path), name: name), name: name)
      try Self.requireMatch(trace, model, layers: layers)
      self.trace = trace
    } else {
      trace = nil
    }
    switch options.fit {
    case nil:
      fit = .tokens(placements.contains(where: \.needsLoad) ? .firstHalf : .all)
    case .some(let text):
      fit = FitRange(rawValue: text).map(Fit.tokens) ?? .file(text)
    }
    if let trace, case .tokens(let range) = fit {
      judgedTokens = try range.split(tokenCount: trace.tokenCount).judged
    } else {
      judgedTokens = 0..<(trace?.tokenCount ?? 0)
    }
  }

  private static func requireMatch(
    _ trace: RoutingTrace, _ model: ModelShape, layers: [Int]
  ) throws {
    guard trace.expertCount == model.expertCount, trace.topK == model.topK else {
      throw InputError(
        "\(trace.name) has \(trace.expertCount) experts and top-\(trace.topK), model \(model.name) "
          + "has \(model.expertCount) and top-\(model.topK); both must agree")
    }
    if let layer = layers.first(where: { !trace.layers.contains($0) }) {
      throw InputError(
        "\(trace.name) has no layer \(layer), accepted are some of its \(trace.layerCount) layers from "
          + "\(trace.layers[0]) to \(trace.layers.last!)")
    }
  }

  /// `all`, a count, or numbers and ranges.
  static func layers(_ text: String, of model: ModelShape) throws -> [Int] {
    let all = Array(model.moeLayers)
    if text == "all" { return all }
    let accepted =
      "accepted are all, a count up to \(all.count), or numbers and ranges from \(all.first!) to "
      + "\(all.last!), such as \(all.first!),\(all.last!)"
    if let count = Int(text) {
      guard (1...all.count).contains(count) else {
        throw InputError("--layers \(text): model \(model.name) has not so many, \(accepted)")
      }
      return Array(all.prefix(count))
    }
    var chosen: Set<Int> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let bounds = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard bounds.count <= 2, let first = bounds[0], let last = bounds[bounds.count - 1],
        first <= last, model.moeLayers.contains(first), model.moeLayers.contains(last)
      else { throw InputError("--layers \(text): \"\(part)\" does not fit, \(accepted)") }
      chosen.formUnion(all.filter((first...last).contains))
    }
    return chosen.sorted()
  }

  /// Solves a placement for these ranks.
  ///
  /// - Parameter complete: adds what the problem has besides tokens and ranks.
  func place(
    _ spec: PlacementSpec, topology: Topology, fitted: FittedTokens, files: InputFiles,
    complete: (inout PlacementProblem) throws -> Void = { _ in }
  ) throws -> ExpertPlacement {
    try solve(spec, topology: topology, fitted: fitted, files: files, complete: complete).placement
  }

  /// The same with the reason, where the strategy has one to tell.
  func solve(
    _ spec: PlacementSpec, topology: Topology, fitted: FittedTokens, files: InputFiles,
    complete: (inout PlacementProblem) throws -> Void
  ) throws -> SolvedPlacement {
    let groups = options.groups ?? model.expertGroupCount
    guard (1...model.expertCount).contains(groups) else {
      throw InputError("--groups \(groups), accepted are 1 to \(model.expertCount)")
    }
    var problem = PlacementProblem(
      load: fitted.load, topology: topology, groups: groups, evidence: fitted.evidence)
    try complete(&problem)
    return try spec.solve(problem, modelLayers: Array(model.moeLayers), readFile: files.bytes)
  }

  /// What placements were fitted to, in words.
  var fitDescription: String {
    switch fit {
    case .file(let path): return path
    case .tokens(let range):
      guard let trace else {
        return range == .firstHalf ? "as many generated tokens of other steps" : "the judged tokens"
      }
      let tokens = range == .firstHalf ? 0..<trace.tokenCount / 2 : 0..<trace.tokenCount
      return "tokens \(tokens.lowerBound)-\(tokens.upperBound - 1)"
    }
  }

  /// What every case is judged on, in words.
  var judgedDescription: String {
    guard trace != nil else { return spec == nil ? "routed tokens" : "generated tokens" }
    return "tokens \(judgedTokens.lowerBound)-\(judgedTokens.upperBound - 1)"
  }

  /// "trace", "generator" or "router".
  var kind: String { trace != nil ? "trace" : spec != nil ? "generator" : "router" }
}
