// SPDX-License-Identifier: Apache-2.0
// epsim: the counters of `epsim traffic --json`.

internal import CostModel
public import Placement

/// Counters of one placement; docs/measurement.md gives each formula.
///
/// "gpu" is the field's word for a rank here: the names are those of published counter files.
public struct TrafficRecord: Encodable {
  /// Counters of one layer.
  public struct Layer: Encodable {
    public let layer: Int
    public let assignments: Int
    public let droppedAssignments: Int
    public let droppedTokens: Int
    public let local: Int
    public let recvMax: Int
    public let dedupTokenGpuPairs: Int
    public let dedupRecvMax: Int
    public let dedupRemoteGpuPairs: Int
    public let dedupRemoteNodePairs: Int
    public let meanGpusPerToken: Double
    public let meanNodesPerToken: Double
    public let offRankRaw: Int
    public let offNodeRaw: Int
    public let offNodeRankDedup: Int
    public let activatedMax: Int
  }

  public let dataset: String
  public let tokens: Int
  public let layers: Int
  public let topk: Int
  public let gpus: Int
  public let nodes: Int
  public let placement: String
  public let source: String
  public let perLayer: [Layer]
  public let sumLocal: Int
  public let sumDedupTokenGpuPairs: Int
  public let sumDedupRemoteGpuPairs: Int
  public let sumDedupRemoteNodePairs: Int
  public let meanGpusPerToken: Double
  public let meanNodesPerToken: Double
  public let load: LoadSummary
  /// Null where nothing is dropped.
  @ExplicitNull public var capacityUse: CapacityUse? = nil
  /// [R][R] assignments from source to destination in the first layer that was counted.
  public let layer1SendMatrix: [[Int]]
  /// [R][R] the same with a token counted once per destination.
  public let layer1SendMatrixDedup: [[Int]]

  enum CodingKeys: String, CodingKey {
    case dataset, tokens, layers, topk, gpus, nodes, placement, source, perLayer, sumLocal
    case sumDedupTokenGpuPairs, sumDedupRemoteGpuPairs, sumDedupRemoteNodePairs
    case meanGpusPerToken, meanNodesPerToken, load, capacityUse
    // The strategy for snake case would separate the digit.
    case layer1SendMatrix = "layer1_send_matrix"
    case layer1SendMatrixDedup = "layer1_send_matrix_dedup"
  }

  /// - Parameter capacity: what the experts offer; nil where nothing is dropped.
  public init(
    dataset: String, placement: String, source: String, counters: TrafficCounters,
    capacity: CapacityUse.Offer? = nil
  ) {
    let rows = counters.placement.layers.indices
    let traffic = rows.map(counters.layer)
    self.dataset = dataset
    self.placement = placement
    self.source = source
    tokens = traffic[0].tokens
    layers = traffic.count
    let all = traffic[0].assignments + traffic[0].droppedAssignments
    topk = tokens == 0 ? 0 : all / tokens
    gpus = counters.topology.rankCount
    nodes = counters.topology.nodeCount
    perLayer = rows.map { row in
      Layer(
        counters.placement.layers[row], traffic[row],
        activated: counters.activatedExpertsPerRank(layerRow: row).max() ?? 0)
    }
    sumLocal = perLayer.reduce(0) { $0 + $1.local }
    sumDedupTokenGpuPairs = perLayer.reduce(0) { $0 + $1.dedupTokenGpuPairs }
    sumDedupRemoteGpuPairs = perLayer.reduce(0) { $0 + $1.dedupRemoteGpuPairs }
    sumDedupRemoteNodePairs = perLayer.reduce(0) { $0 + $1.dedupRemoteNodePairs }
    meanGpusPerToken = counters.total.fanOutRanks
    meanNodesPerToken = counters.total.fanOutNodes
    var balance = LoadCounters()
    balance.addRanks(of: counters)
    load = balance.summary
    func rowsOf(_ matrix: TrafficMatrix) -> [[Int]] {
      (0..<matrix.rankCount).map { source in
        (0..<matrix.rankCount).map { matrix[source, $0] }
      }
    }
    layer1SendMatrix = rowsOf(traffic[0].raw)
    layer1SendMatrixDedup = rowsOf(traffic[0].rankDedup)
    capacityUse = capacity.map { CapacityUse($0, counters.total) }
  }
}

extension TrafficRecord.Layer {
  fileprivate init(_ number: Int, _ traffic: LayerTraffic, activated: Int) {
    layer = number
    assignments = traffic.assignments
    droppedAssignments = traffic.droppedAssignments
    droppedTokens = traffic.droppedTokens
    local = traffic.local
    recvMax = traffic.receivedPerRank.max() ?? 0
    dedupTokenGpuPairs = traffic.tokenRankPairs
    dedupRecvMax = traffic.rankDedupReceivedPerRank.max() ?? 0
    dedupRemoteGpuPairs = traffic.offRankRankDedup
    dedupRemoteNodePairs = traffic.offNodeNodeDedup
    meanGpusPerToken = traffic.fanOutRanks
    meanNodesPerToken = traffic.fanOutNodes
    offRankRaw = traffic.offRankRaw
    offNodeRaw = traffic.offNodeRaw
    offNodeRankDedup = traffic.offNodeRankDedup
    activatedMax = activated
  }
}
