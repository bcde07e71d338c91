// SPDX-License-Identifier: Apache-2.0
// epsim: tests of where result files may be written.

import Foundation
import MoE
import Testing
import Workloads

@Suite struct OutputFileTests {
  @Test func whatIsNoPlainFileStaysWhatItIs() throws {
    let folder = try ScratchFolder()
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    for path in [folder.path("pipe"), folder.path(""), "/dev/null"] {
      expectInputError("pipe or device stands there") {
        try OutputFile.write([1], toPath: path)
      }
    }
    var status = stat()
    #expect(stat(folder.path("pipe"), &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["pipe"])
  }

  @Test func aLinkIsFollowedAlsoToAFileThatIsNotThereYet() throws {
    let folder = try ScratchFolder()
    try OutputFile.makeFolder(folder.path("a/b"))
    #expect(symlink("a/b/target", folder.path("link")) == 0)
    for bytes in [[1], [2, 3]] as [[UInt8]] {
      try OutputFile.write(bytes, toPath: folder.path("link"))
      #expect(try Data(contentsOf: URL(filePath: folder.path("a/b/target"))) == Data(bytes))
    }
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link"))
        == "a/b/target")
  }

  @Test func theMissingFolderIsNamed() throws {
    let folder = try ScratchFolder()
    expectInputError("there is no folder \(folder.path("no"))") {
      try OutputFile.requireWritable(folder.path("no/plan.json"))
    }
    let file = try folder.write("", "file")
    expectInputError("is no folder") { try OutputFile.requireWritable(file + "/plan.json") }
    expectInputError("file of that name") { try OutputFile.makeFolder(file) }
    #expect(symlink("loop", folder.path("loop")) == 0)
    expectInputError("cannot be written") {
      try OutputFile.write([], toPath: folder.path("loop"))
    }
  }

  @Test func permissionsStay() throws {
    let folder = try ScratchFolder()
    let path = try folder.write("old", "secret")
    #expect(chmod(path, 0o600) == 0)
    try OutputFile.write([1], toPath: path)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
  }
}
