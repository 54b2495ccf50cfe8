#pragma once

// The files beside the disks that belong to a VM (hypervisor::side_files): firmware variables, kernel,
// initrd. They go through stream kSideFileStream, one after the other, and a file may come again (the
// variables, after our own stop): the last one counts. Records:
//   u8 1, blob name, u64 bytes     a file begins
//   u8 2, bytes                    its next bytes
// A file is written beside its name and renamed when it is whole and durable. One that comes again is written
// in place: by then the waiting QEMU has it open.

#include <map>
#include <variant>

#include "base/file.hpp"
#include "base/guarded.hpp"
#include "hypervisor/definition.hpp"
#include "ledger/seal.hpp"
#include "transport/session.hpp"

namespace sealift::migrate {

constexpr transport::StreamId kSideFileStream = 16;
constexpr std::uint64_t kSideFileBytesMax = 2ULL << 30U;

struct SideFileBegin {
  std::string name;
  std::uint64_t bytes = 0;
};
struct SideFileBytes {
  ByteView bytes;  // at least one
};
using SideFileRecord = std::variant<SideFileBegin, SideFileBytes>;
Bytes encode_side_file_begin(const SideFileBegin& begin);
// kCorrupt: anything that the table doesn't allow. Whether the name and the length fit is the receiver's
// matter.
Result<SideFileRecord> decode_side_file_record(ByteView record);

// The part of the seal that a side file is: "firmware" for vars.fd, else "file/<name>".
std::string part_name(const std::string& file);

class SideFileSender {
 public:
  SideFileSender(transport::Session& session, file::Path directory)
      : writer_(session.writer(kSideFileStream)), directory_(std::move(directory)) {}
  Status send(const std::string& name, const Stop& stop);
  Status finish(const Stop& stop) { return writer_.finish(Deadline::never(), stop); }
  std::vector<ledger::SealPart> parts() const;

 private:
  transport::StreamWriter writer_;
  file::Path directory_;
  std::map<std::string, ledger::SealPart> parts_;
};

class SideFileReceiver {
 public:
  // Only these names are taken.
  SideFileReceiver(transport::Session& session, file::Path directory, std::vector<std::string> names)
      : reader_(session.reader(kSideFileStream)),
        directory_(std::move(directory)),
        names_(std::move(names)) {}
  // Until the stream's end; every name must have come.
  Status receive(const Stop& stop);
  // By another thread: until each file has come once. kCancelled; kCorrupt when receive() failed before.
  Status wait_all(const Stop& stop);
  std::vector<ledger::SealPart> parts() const;  // after receive()

 private:
  Status take_records(const Stop& stop);
  Status begin(const SideFileBegin& record);
  Status append(ByteView bytes);
  Status end_file();

  transport::StreamReader reader_;
  file::Path directory_;
  std::vector<std::string> names_;
  std::map<std::string, ledger::SealPart> parts_;
  std::string name_;  // of the file that comes in; empty: none
  UniqueFd fd_;
  std::uint64_t expected_ = 0, arrived_ = 0;
  crypto::Sha256 hash_;
  struct Seen {
    std::size_t files = 0;
    bool ended = false;
  };
  Guarded<Seen> seen_;
};

}  // namespace sealift::migrate
