// SPDX-License-Identifier: Apache-2.0
// epsim: the command line.

@main
struct EPSim {
  static func main() {}
}
