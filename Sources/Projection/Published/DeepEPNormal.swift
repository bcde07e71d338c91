// SPDX-License-Identifier: Apache-2.0
// epsim: the normal kernels of DeepEP, predicted: two hops, the slower of which binds.

internal import MoE

/// T = fixed + max(bytes between nodes / card, bytes inside nodes / NVLink), pipelined hops.
///
/// A row goes once to each node that needs it, to the GPU of the sender's rail, and from there once
/// to each GPU. Of D(N) nodes and D(R) GPUs that a token reaches, D(N) (1 - 1/N) copies cross cards
/// and D(R) 7/8 cross NVLink (a GPU of the own rail has them already).
enum DeepEPNormal {
  /// The size of DeepEP's own benchmark; below it the pipeline does not fill.
  static let fullTokens = 4096

  /// Copies of a token's row on cards and on NVLink, and logical ones between nodes.
  private static func copies(nodes: Int) -> (card: Double, nvlink: Double, logical: Double) {
    let gpus = DeepEPWay.gpusPerNode
    let logical = DeepEPWay.distinctGroups(nodes)
    return (
      logical * (1 - 1 / Double(nodes)),
      DeepEPWay.distinctGroups(nodes * gpus) * Double(gpus - 1) / Double(gpus), logical
    )
  }

  static func comparisons(
    measured: PublishedTable, readme: PublishedTable
  ) throws -> [PublishedComparison] {
    let rows = try ReadmeRow.rows(of: readme).filter { !$0.isLowLatency }
    guard let source = rows.first(where: { isSource($0) }),
      let node = ReadmeRow.singleNode(rows)
    else {
      throw InputError(
        "\(readme.name): the rows V1 normal intranode and V2 normal on 16 SM90 are missing")
    }
    let (card, _, logical) = copies(nodes: source.nodes)
    let bandwidth = source.bandwidth(.dispatch) * card / logical
    return [
      published(.dispatch, rows, source: readme.name, card: bandwidth, node: node),
      published(.combine, rows, source: readme.name, card: bandwidth, node: node),
      nvlinkBound(rows, source: readme.name, card: bandwidth, node: node),
      try measuredDispatch(measured, card: bandwidth),
      try measuredCombine(measured),
    ]
  }

  /// The row that sets the one bandwidth of all cards.
  private static func isSource(_ row: ReadmeRow) -> Bool {
    row.version == "V2" && row.gpu == "SM90" && row.nodes == 2
  }

  /// Logical GB/s between nodes by both hops, and which of them binds.
  private static func prediction(
    _ row: ReadmeRow, _ way: DeepEPWay, card: Double, node: ReadmeRow
  ) -> (gigabytes: Double, cardBinds: Bool) {
    let copies = copies(nodes: row.nodes)
    let gpus = Double(DeepEPWay.gpusPerNode)
    // Published with a GPU's own rows. Newer GPUs: the line rate, for there is no row of one node.
    let nvlink = row.gpu == node.gpu ? node.bandwidth(way) * (gpus - 1) / gpus : 450
    let (between, inside) = (copies.card / card, copies.nvlink / nvlink)
    return (copies.logical / max(between, inside), between >= inside)
  }

  /// The rows of DeepEP's pages where cards bind.
  private static func published(
    _ way: DeepEPWay, _ rows: [ReadmeRow], source: String, card: Double, node: ReadmeRow
  ) -> PublishedComparison {
    PublishedComparison(
      title: "DeepEP normal, \(way.rawValue), cards bind", source: source, unit: "GB/s",
      model: "logical bytes / (bytes between nodes / card)",
      split: "card from V2 dispatch on 16 SM90, judged on the other rows of two and more nodes",
      bound: way == .dispatch ? 0.06 : 0.11, parameters: [.init("card", card, "GB/s")],
      rows: rows.filter { $0.nodes > 1 }.compactMap { row in
        let (gigabytes, cardBinds) = prediction(row, way, card: card, node: node)
        guard cardBinds else { return nil }
        return .init(
          label(row), published: row.bandwidth(way), predicted: gigabytes,
          role: isSource(row) && way == .dispatch ? .fitted : .judged)
      })
  }

  /// The rows of DeepEP's pages where NVLink binds though there are several nodes.
  private static func nvlinkBound(
    _ rows: [ReadmeRow], source: String, card: Double, node: ReadmeRow
  ) -> PublishedComparison {
    PublishedComparison(
      title: "DeepEP normal, NVLink binds", source: source, unit: "GB/s",
      model: "logical bytes / (bytes inside nodes / NVLink)",
      split: "NVLink from V1 on 8 GPUs, judged on the other rows", bound: 0.12,
      parameters: DeepEPWay.allCases.map {
        .init("NVLink, \($0.rawValue), own rows counted", node.bandwidth($0), "GB/s")
      },
      rows: rows.filter { $0.nodes > 1 }.flatMap { row in
        DeepEPWay.allCases.compactMap { way in
          let (gigabytes, cardBinds) = prediction(row, way, card: card, node: node)
          return cardBinds
            ? nil
            : .init(
              "\(label(row)), \(way.rawValue)", published: row.bandwidth(way),
              predicted: gigabytes, role: .judged)
        }
      })
  }

  private static func label(_ row: ReadmeRow) -> String {
    "\(row.version), \(row.gpu), \(row.gpus) GPUs"
  }

  /// Transmit and notify of a row of the measured table, and the SMs that it used.
  private static func measurement(
    _ table: PublishedTable, _ row: Int, _ way: DeepEPWay
  ) throws -> (microseconds: Double, sms: Int) {
    let kernel = way.rawValue
    let transmit = try table.number(row, "\(kernel)_transmit_us", accepted: 1e-3...1e9)
    let notify = try table.number(row, "\(kernel)_notify_us", accepted: 0...1e9)
    return (transmit + notify, try table.count(row, "\(kernel)_sms", accepted: 1...1024))
  }

  /// Two H100 nodes with 24 SMs: the same card, a fixed time from small batches.
  private static func measuredDispatch(
    _ table: PublishedTable, card: Double
  ) throws -> PublishedComparison {
    let copies = copies(nodes: 2)
    var rows: [(tokens: Int, row: BottleneckModel.Row)] = []
    for entry in try DeepEPRow.rows(of: table) where entry.nodes == 2 {
      let (us, sms) = try measurement(table, entry.index, .dispatch)
      guard sms == 24 else { continue }
      let bytes = Double(entry.tokens) * copies.card * DeepEPWay.dispatch.rowBytes
      rows.append((entry.tokens, .init(sums: [1], limits: [bytes], value: us * 1e-6)))
    }
    let small = rows.filter { $0.tokens <= 64 }.map(\.row)
    guard !small.isEmpty else {
      throw InputError(
        "\(table.name): there are no rows of two nodes with 24 SMs and 64 tokens at most")
    }
    let model = BottleneckModel.fit(small, known: [0: 1e-9 / card])
    return PublishedComparison(
      title: "DeepEP normal, dispatch, two H100 nodes, 24 SMs", source: table.name, unit: "us",
      model: "fixed + bytes between nodes / card",
      split:
        "card from DeepEP's page, fixed time from up to 64 tokens, judged on \(fullTokens) and "
        + "more; between them the pipeline does not fill",
      bound: 0.06,
      parameters: [.init("fixed", model.sums[0] * 1e6, "us"), .init("card", card, "GB/s")],
      rows: rows.map { tokens, row in
        .init(
          "\(tokens) tokens", published: row.value * 1e6, predicted: model.prediction(row) * 1e6,
          role: tokens <= 64 ? .fitted : tokens < fullTokens ? .beside : .judged)
      })
  }

  /// Two H100 nodes: combine is bound by the SMs that copy, each at one rate.
  private static func measuredCombine(_ table: PublishedTable) throws -> PublishedComparison {
    let copies = copies(nodes: 2)
    var rows: [(label: String, sms: Int, row: BottleneckModel.Row)] = []
    for entry in try DeepEPRow.rows(of: table)
    where entry.nodes == 2 && entry.tokens >= fullTokens {
      let (us, sms) = try measurement(table, entry.index, .combine)
      let bytes = Double(entry.tokens) * copies.card * DeepEPWay.combine.rowBytes
      rows.append(
        (
          "\(entry.tokens) tokens, \(sms) SMs", sms,
          .init(sums: [1], limits: [bytes / Double(sms)], value: us * 1e-6)
        ))
    }
    let fitted = rows.filter { $0.sms <= 16 }.map(\.row)
    guard !fitted.isEmpty else {
      throw InputError("\(table.name): there are no rows of two nodes with 16 SMs at most")
    }
    let model = BottleneckModel.fit(fitted)
    return PublishedComparison(
      title: "DeepEP normal, combine, two H100 nodes, SMs bind", source: table.name, unit: "us",
      model: "fixed + bytes between nodes / (SMs x rate of an SM)",
      split: "\(fullTokens) tokens and more: fitted to 4 to 16 SMs, judged on 20 and 24",
      bound: 0.11,
      parameters: [
        .init("fixed", model.sums[0] * 1e6, "us"),
        .init("rate of an SM", 1e-9 / model.limits[0], "GB/s"),
      ],
      rows: rows.map { label, sms, row in
        .init(
          label, published: row.value * 1e6, predicted: model.prediction(row) * 1e6,
          role: sms <= 16 ? .fitted : .judged)
      })
  }
}
