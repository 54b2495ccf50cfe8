#pragma once

// What StreamWriter and StreamReader hold. Internal to transport.

#include "transport/core.hpp"
#include "transport/stream.hpp"

namespace sealift::transport {

struct StreamWriter::Impl {
  Impl(std::shared_ptr<SessionCore> session_core, StreamId stream);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();
  Status seal(RecordKind kind, std::size_t n, Deadline deadline, const Stop& stop);

  std::shared_ptr<SessionCore> core;  // shared: the buffers are its pool's
  Link& link;
  StreamId id;
  BufferPool::Buffer buffer;
  std::optional<crypto::Sealer> sealer;
  std::uint64_t key_group = 0;
  std::uint64_t sequence = 0;
  bool finished = false;
};

struct StreamReader::Impl {
  Impl(std::shared_ptr<SessionCore> session_core, StreamId stream)
      : core(std::move(session_core)), link(core->link_of(stream)), id(stream) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { release(); }
  Result<std::optional<ByteView>> next(Deadline deadline, const Stop& stop);
  void release();  // tells the sender that the record given last is done with

  std::shared_ptr<SessionCore> core;
  Link& link;
  StreamId id;
  SealedPtr record;
  std::optional<crypto::Opener> opener;
  std::uint64_t key_group = 0;
  bool ended = false;
};

}  // namespace sealift::transport
