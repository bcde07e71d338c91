// SPDX-License-Identifier: Apache-2.0
// epsim: what the numbers of a cluster profile must be together.

internal import MoE

extension ProfileDraft {
  /// Keys of the rank types, the usual one first.
  var rankTypes: [String] { ["rank"] + (names["other_ranks"] ?? []).map { "other_ranks.\($0)" } }

  /// Checks the numbers against each other.
  /// - Throws: ``InputError`` that names both keys and what is accepted.
  func check(place: String) throws {
    guard let name = text("name"), ProfileReader.isName(name.replacing(".", with: "-")) else {
      throw InputError(
        "\(place): name is \(InputError.excerpt(text("name") ?? "")), accepted are up to 40 "
          + "letters, digits and the characters . - _")
    }
    for type in rankTypes { try checkRank(type, place: place) }
    try checkLayout(place: place)
    for level in ["inside", "between"] where has("network.\(level)") {
      try checkLevel("network.\(level)", place: place)
    }
    try checkLeaf(place: place)
  }

  private func checkRank(_ type: String, place: String) throws {
    let kind = text("\(type).kind") ?? ""
    guard RankKind(rawValue: kind) != nil else {
      let kinds = RankKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw InputError(
        "\(place): \(type).kind is \(InputError.excerpt(kind)), accepted is \(kinds)")
    }
    let peaks = Precision.allCases.compactMap { value("\(type).peak.\($0.rawValue)") }
    for (wide, narrow) in zip(peaks, peaks.dropFirst()) where wide.value > narrow.value {
      throw InputError(
        "\(place): \(wide.key) is \(wide.text) and \(narrow.key) \(narrow.text), accepted is at "
          + "least as much with the narrower format")
    }
  }

  private func checkLayout(place: String) throws {
    guard let node = value("ranks_per_node") else { return }
    let domain = value("domain") ?? node
    // The remainder of whole numbers far below 2^53 is exact.
    guard domain.value.truncatingRemainder(dividingBy: node.value) == 0 else {
      throw InputError(
        "\(place): domain is \(domain.text) and ranks_per_node \(node.text), accepted is a domain "
          + "of whole nodes")
    }
    guard domain.value == 1 || has("network.inside") else {
      throw InputError(
        "\(place): network.inside is missing, accepted is a level that joins the "
          + "\(Int(domain.value)) ranks of a \(has("domain") ? "domain" : "node")")
    }
    if let port = value("network.between.ranks_per_port"),
      node.value.truncatingRemainder(dividingBy: port.value) != 0
    {
      throw InputError(
        "\(place): network.between.ranks_per_port is \(port.text) and ranks_per_node \(node.text), "
          + "accepted is a number that divides the ranks of a node")
    }
  }

  private func checkLevel(_ level: String, place: String) throws {
    let isPlain = has("\(level).latency") || has("\(level).bandwidth")
    guard isPlain != has("\(level).segments") else {
      throw InputError(
        "\(place): \(level) has \(isPlain ? "both" : "neither") latency with bandwidth "
          + "\(isPlain ? "and" : "nor") segments, accepted is one of them")
    }
    for key in ["latency", "bandwidth"] where isPlain && !has("\(level).\(key)") {
      throw InputError("\(place): \(level).\(key) is missing, accepted are latency with bandwidth")
    }
    if !isPlain, segmentSizes(level)[0].size != 0 {
      throw InputError(
        "\(place): \(level).segments begins at \(segmentSizes(level)[0].text), accepted is 0 B as "
          + "the smallest message")
    }
    guard let line = value("\(level).line_rate") else { return }
    for value in values
    where value.key.hasPrefix(level + ".") && value.path.last == "bandwidth"
      && value.value > line.value
    {
      throw InputError(
        "\(place): \(value.key) is \(value.text) and \(line.key) \(line.text), accepted is a "
          + "bandwidth up to the line rate")
    }
  }

  private func checkLeaf(place: String) throws {
    guard let nodes = value("network.leaf.nodes") else { return }
    let (ratio, uplinks) = ("network.leaf.oversubscription", "network.leaf.uplinks")
    guard has(ratio) != has(uplinks) else {
      throw InputError(
        "\(place): network.leaf has \(has(ratio) ? "both" : "neither") oversubscription "
          + "\(has(ratio) ? "and" : "nor") uplinks, accepted is one of them")
    }
    guard has("network.between") else {
      throw InputError("\(place): network.between is missing, which the nodes of a leaf need")
    }
    guard let node = value("ranks_per_node"), let domain = value("domain"),
      (nodes.value * node.value).truncatingRemainder(dividingBy: domain.value) != 0
    else { return }
    throw InputError(
      "\(place): network.leaf.nodes is \(nodes.text) of \(node.text) and domain \(domain.text), "
        + "accepted is a leaf of whole domains")
  }

  /// The smallest message of each segment of a level, ascending.
  func segmentSizes(_ level: String) -> [(size: Double, text: String)] {
    quantityKeys("\(level).segments", .size)
  }

  /// The keys beneath a key that are quantities, ascending.
  func quantityKeys(_ key: String, _ dimension: ProfileDimension) -> [(size: Double, text: String)]
  {
    let depth = key.split(separator: ".").count
    let texts = Set(values.filter { $0.key.hasPrefix(key + ".") }.map { $0.path[depth] })
    return texts.compactMap { text in
      (try? ProfileQuantity(text, dimension, key: key, place: "", allowsZero: true))
        .map { (size: $0.value, text: text) }
    }.sorted { $0.size < $1.size }
  }
}

/// What a rank is.
public enum RankKind: String, Sendable, CaseIterable {
  case accelerator, cpu
}
