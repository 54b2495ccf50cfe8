#pragma once

// For tests: raw disks in a directory of their own, and a copy of one disk over a real session on loopback.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "base/clock.hpp"
#include "image/hash_disk.hpp"
#include "image/raw_file.hpp"
#include "image/temporary_directory.hpp"
#include "migrate/disk/receiver.hpp"
#include "migrate/disk/sender.hpp"
#include "transport/test_pair.hpp"

namespace sealift::migrate::testing {

using namespace std::chrono_literals;
using image::kLeafBytes;
using image::testing::TemporaryDirectory;

inline Bytes random_bytes(SeededRandom& random, std::size_t bytes) {
  Bytes out(bytes);
  random.fill(out);
  return out;
}

inline Bytes compressible_bytes(SeededRandom& random, std::size_t bytes) {
  Bytes out(bytes);
  for (std::size_t i = 0; i < bytes; i += 64) out[i] = static_cast<std::uint8_t>(random.next() | 1U);
  return out;
}

// A quarter random data, a quarter compressible, the rest holes; the last leaf, short or not, has data.
inline std::unique_ptr<image::RawFile> make_disk(const file::Path& path, std::uint64_t bytes,
                                                 SeededRandom& random) {
  auto disk = image::RawFile::create(path, bytes);
  EXPECT_TRUE(disk);
  const std::uint64_t leaves = image::leaf_count(bytes);
  for (std::uint64_t leaf = 0; leaf < leaves; ++leaf) {
    const std::uint64_t kind = leaf + 1 == leaves ? 0 : random.below(4);
    const std::size_t length = image::leaf_length(bytes, leaf);
    if (kind > 1) continue;
    const Bytes data = kind == 0 ? random_bytes(random, length) : compressible_bytes(random, length);
    EXPECT_TRUE((*disk)->write(leaf * kLeafBytes, data));
  }
  EXPECT_TRUE((*disk)->flush());
  return std::move(*disk);
}

inline crypto::Digest root_of(image::BlockSource& disk) {
  auto table = image::LeafTable::temporary(disk.size_bytes());
  EXPECT_TRUE(table);
  return image::hash_disk(disk, **table).value();
}

inline std::uint64_t allocated_bytes(const file::Path& path) {
  struct stat facts{};
  EXPECT_EQ(::stat(path.c_str(), &facts), 0);
  return static_cast<std::uint64_t>(facts.st_blocks) * 512;
}

// Both engines over one session.
struct Copy {
  Copy(std::vector<DestinationDisk> to, std::vector<SourceDisk> from, SenderOptions options = {}) {
    pair.connect();
    sender = DiskSender::open(*pair.initiator, std::move(from), options).value();
    receiver = DiskReceiver::open(*pair.accepted, std::move(to), {.workers = options.workers}).value();
  }
  // Before the first round; what the destination's tables claim is hashed again.
  void agree() {
    std::jthread other([this] { EXPECT_TRUE(receiver->offer({}, Deadline::in(30s), {})); });
    const Status taken = sender->take_offer(Deadline::in(30s), {});
    EXPECT_TRUE(taken) << taken.error().message;
  }
  Result<RoundReceived> round(const std::vector<RoundDisk>& disks, MoreRounds more) {
    Status sent;
    std::jthread other([&] { sent = sender->send_round(disks, more, {}); });
    auto received = receiver->receive_round({});
    if (!received) pair.accepted->abort(received.error());
    other.join();
    EXPECT_TRUE(sent || !received);
    return received;
  }

  transport::testing::Pair pair;
  std::unique_ptr<DiskSender> sender;
  std::unique_ptr<DiskReceiver> receiver;
};

}  // namespace sealift::migrate::testing
