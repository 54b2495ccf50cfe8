#pragma once

// One libnbd handle = one connection, used by one thread at a time. Requests are libnbd's asynchronous ones,
// driven here by poll(2) on the socket and the Stop, so that a server that never answers (a frozen QEMU)
// can't hold a thread. A connection that failed once is finished: its server's answers are out of step.

#include <functional>
#include <memory>

#include "image/nbd.hpp"

struct nbd_handle;

namespace sealift::image::detail {

class NbdConnection {
 public:
  static Result<std::unique_ptr<NbdConnection>> open(const NbdOptions& options, Deadline deadline,
                                                     const Stop& stop);
  ~NbdConnection();
  NbdConnection(const NbdConnection&) = delete;
  NbdConnection& operator=(const NbdConnection&) = delete;

  Result<std::uint64_t> size_bytes();
  bool read_only();
  bool has_context(const std::string& context);

  Status read(std::uint64_t offset, MutableByteView out);
  Status write(std::uint64_t offset, ByteView bytes);
  Status zero(std::uint64_t offset, std::uint64_t length);
  Status flush();
  // Calls found(offset, length, flags) for consecutive ranges that cover exactly [offset, offset + length).
  using Found = std::function<void(std::uint64_t, std::uint64_t, std::uint32_t)>;
  Status block_status(const std::string& context, std::uint64_t offset, std::uint64_t length,
                      const Found& found);

 private:
  NbdConnection(nbd_handle* handle, const NbdOptions& options, const Stop& stop);
  Status prepare(const NbdOptions& options);
  Status connect(Deadline deadline);
  Status turn(Deadline deadline);  // waits for the socket and lets libnbd work
  Status finish(std::int64_t cookie, std::string_view doing);
  std::unexpected<Error> broken(std::string_view doing);
  void close();

  nbd_handle* handle_;
  std::string peer_;  // the socket's path, for messages
  Milliseconds io_timeout_;
  Stop stop_;
};

}  // namespace sealift::image::detail
