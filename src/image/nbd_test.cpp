#include "image/nbd.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "image/hash_disk.hpp"
#include "image/manifest.hpp"
#include "image/qemu_img.hpp"
#include "image/qemu_nbd.hpp"
#include "image/temporary_directory.hpp"

namespace sealift::image {
namespace {

using namespace std::chrono_literals;
using testing::TemporaryDirectory;

QemuNbdOptions writable(const TemporaryDirectory& directory) {
  QemuNbdOptions options;
  options.image = directory / "disk.qcow2";
  options.format = "qcow2";
  options.access = Access::kReadWrite;
  options.socket = directory / "nbd.sock";
  options.log = directory / "nbd.log";
  return options;
}

TEST(QemuNbd, AQcow2ImageIsReadAndWrittenAndStaysSparse) {
  const TemporaryDirectory directory;
  const std::uint64_t bytes = 64 * kLeafBytes + 1024;
  ASSERT_TRUE(create(directory / "disk.qcow2", "qcow2", bytes, Deadline::in(20s), {}));
  auto server = QemuNbd::start(writable(directory), Deadline::in(20s), {});
  ASSERT_TRUE(server) << server.error().message;
  {
    auto disk = NbdDisk::open((*server)->connection(), Access::kReadWrite, Deadline::in(5s), {});
    ASSERT_TRUE(disk) << disk.error().message;
    EXPECT_EQ((*disk)->size_bytes(), bytes);
    EXPECT_EQ((*disk)->extents(0, bytes)->size(), 1U);
    ASSERT_TRUE((*disk)->write(3 * kLeafBytes, Bytes(kLeafBytes, 5)));
    ASSERT_TRUE((*disk)->write(64 * kLeafBytes, Bytes(1024, 6)));
    ASSERT_TRUE((*disk)->zero(3 * kLeafBytes, kLeafBytes / 2));
    ASSERT_TRUE((*disk)->flush());
    Bytes back(kLeafBytes);
    ASSERT_TRUE((*disk)->read(3 * kLeafBytes, back));
    EXPECT_TRUE(all_zero(ByteView(back).first(kLeafBytes / 2)));
    EXPECT_EQ(back.back(), 5);
    const auto zeros = zero_leaves(**disk, 0, 65);
    ASSERT_TRUE(zeros);
    EXPECT_TRUE((*zeros)[2]);
    EXPECT_FALSE((*zeros)[3]);
    EXPECT_FALSE((*zeros)[64]);
  }
  ASSERT_TRUE((*server)->end(Deadline::in(10s)));
  EXPECT_FALSE(std::filesystem::exists(directory / "nbd.sock"));
  const auto info = inspect(directory / "disk.qcow2", "qcow2");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->virtual_bytes, bytes);
  EXPECT_LT(info->allocated_bytes, 2U << 20U);
}

TEST(QemuNbd, RunsUnprivilegedWithoutAWayThroughTheDirectories) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const TemporaryDirectory directory;  // 0700, root's
  ASSERT_TRUE(create(directory / "disk.qcow2", "qcow2", 4 * kLeafBytes, Deadline::in(20s), {}));
  constexpr uid_t kNobody = 65534;
  if (::lchown((directory / "disk.qcow2").c_str(), kNobody, kNobody) != 0) GTEST_SKIP() << "one mapped user";
  auto options = writable(directory);
  options.drop_to = {kNobody, kNobody};
  auto server = QemuNbd::start(options, Deadline::in(20s), {});
  ASSERT_TRUE(server) << server.error().message;
  auto disk = NbdDisk::open((*server)->connection(), Access::kReadWrite, Deadline::in(5s), {});
  ASSERT_TRUE(disk);
  EXPECT_TRUE((*disk)->write(0, Bytes(512, 1)));
}

TEST(QemuNbd, SaysWhyItCouldNotServe) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(create(directory / "disk.qcow2", "qcow2", 4 * kLeafBytes, Deadline::in(20s), {}));
  auto first = QemuNbd::start(writable(directory), Deadline::in(20s), {});
  ASSERT_TRUE(first);
  auto options = writable(directory);
  options.socket = directory / "second.sock";
  const auto second = QemuNbd::start(options, Deadline::in(20s), {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("lock"), std::string::npos) << second.error().message;
  EXPECT_TRUE((*first)->end(Deadline::in(10s)));
}

TEST(QemuNbd, DoesNotOutliveAnOwnerThatIsKilled) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(create(directory / "disk.qcow2", "qcow2", 4 * kLeafBytes, Deadline::in(20s), {}));
  std::array<int, 2> pipe_fds{};
  ASSERT_EQ(::pipe(pipe_fds.data()), 0);
  const UniqueFd in(pipe_fds[0]), out(pipe_fds[1]);
  const pid_t owner = ::fork();
  if (owner == 0) {
    auto server = QemuNbd::start(writable(directory), Deadline::in(20s), {});
    const ProcessName name = server ? (*server)->process() : ProcessName{};
    static_cast<void>(!::write(out.get(), &name, sizeof name));
    ::_exit(0);  // as by SIGKILL: nothing is tidied up
  }
  ProcessName name;
  ASSERT_EQ(::read(in.get(), &name, sizeof name), static_cast<ssize_t>(sizeof name));
  ASSERT_GT(name.pid, 0);
  ASSERT_EQ(::waitpid(owner, nullptr, 0), owner);
  EXPECT_TRUE(process::wait(name, Deadline::in(10s), {}));
  auto next = QemuNbd::start(writable(directory), Deadline::in(20s), {});
  EXPECT_TRUE(next) << next.error().message;
}

TEST(NbdDisk, AServerThatNeverAnswersIsATimeout) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(create(directory / "disk.qcow2", "qcow2", 4 * kLeafBytes, Deadline::in(20s), {}));
  auto server = QemuNbd::start(writable(directory), Deadline::in(20s), {});
  ASSERT_TRUE(server);
  auto options = (*server)->connection();
  options.io_timeout = 100ms;
  auto disk = NbdDisk::open(options, Access::kReadWrite, Deadline::in(5s), {});
  ASSERT_TRUE(disk);
  ASSERT_TRUE(process::freeze((*server)->process(), Deadline::in(5s)));
  Bytes back(512);
  EXPECT_EQ((*disk)->read(0, back).error().code, Code::kTimeout);
  ASSERT_TRUE(process::thaw((*server)->process()));
}

TEST(NbdDisk, ABitmapThatIsNotExportedIsUnsupported) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(create(directory / "disk.qcow2", "qcow2", 4 * kLeafBytes, Deadline::in(20s), {}));
  auto server = QemuNbd::start(writable(directory), Deadline::in(20s), {});
  ASSERT_TRUE(server);
  auto options = (*server)->connection();
  options.dirty_bitmap = "b0";
  EXPECT_EQ(NbdDisk::open(options, Access::kReadOnly, Deadline::in(5s), {}).error().code, Code::kUnsupported);
}

// A server of its own kind, ended at the end of the test.
class Server {
 public:
  Server(std::vector<std::string> argv, file::Path socket) : socket_(std::move(socket)) {
    process_ = process::spawn({.argv = std::move(argv), .output = {}, .fds = {}, .drop_to = {}}).value();
    const Deadline soon = Deadline::in(10s);
    while (!std::filesystem::exists(socket_) && !soon.passed()) Stop().sleep(5ms);
  }
  ~Server() { EXPECT_TRUE(process::kill_hard(process_, Deadline::in(10s))); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  Result<std::unique_ptr<NbdDisk>> open(const std::string& bitmap = {}) const {
    NbdOptions options;
    options.socket = socket_;
    options.dirty_bitmap = bitmap;
    options.connections = 1;
    return NbdDisk::open(options, Access::kReadOnly, Deadline::in(10s), {});
  }

 private:
  file::Path socket_;
  ProcessName process_;
};

TEST(NbdDisk, DirtyLeavesAreThoseOfTheExportedBitmap) {
  const TemporaryDirectory directory;
  const std::string image = (directory / "disk.qcow2").string();
  const Deadline soon = Deadline::in(30s);
  ASSERT_TRUE(create(image, "qcow2", 40 * kLeafBytes + 512, soon, {}));
  const auto bitmap = [&](const std::string& verb) {
    const auto done = process::run({"qemu-img", "bitmap", verb, "-g", "262144", "-f", "qcow2", image, "b0"},
                                   4096, soon, {});
    return done && done->exit.code == 0;
  };
  ASSERT_TRUE(bitmap("--add"));
  {
    auto server = QemuNbd::start(writable(directory), soon, {});
    ASSERT_TRUE(server) << server.error().message;
    auto disk = NbdDisk::open((*server)->connection(), Access::kReadWrite, soon, {});
    ASSERT_TRUE(disk);
    ASSERT_TRUE((*disk)->write(3 * kLeafBytes + 4096, Bytes(512, 1)));
    ASSERT_TRUE((*disk)->write(20 * kLeafBytes - 512, Bytes(1024, 1)));
    ASSERT_TRUE((*disk)->write(40 * kLeafBytes, Bytes(512, 1)));
    disk->reset();
    ASSERT_TRUE((*server)->end(soon));
  }
  ASSERT_EQ(process::run({"qemu-img", "bitmap", "--disable", "-f", "qcow2", image, "b0"}, 4096, soon, {})
                ->exit.code,
            0);
  const file::Path socket = directory / "bitmap.sock";
  const Server server(
      {"qemu-nbd", "--socket=" + socket.string(), "-f", "qcow2", "-r", "-t", "-B", "b0", image}, socket);
  const auto disk = server.open("b0");
  ASSERT_TRUE(disk) << disk.error().message;
  EXPECT_EQ((*disk)->dirty_leaves("b0").value(), (std::vector<std::uint64_t>{3, 19, 20, 40}));
  EXPECT_EQ((*disk)->dirty_leaves("b1").error().code, Code::kInvalid);
}

TEST(NbdDisk, ASizeThatNoDiskHasIsRefused) {
  if (std::system("command -v nbdkit > /dev/null") != 0) GTEST_SKIP() << "needs nbdkit";
  const TemporaryDirectory directory;
  const file::Path socket = directory / "odd.sock";
  const Server server({"nbdkit", "-f", "-U", socket.string(), "memory", "1000"}, socket);
  EXPECT_EQ(server.open().error().code, Code::kInvalid);
}

TEST(QemuImg, NamesWhatAnImageNeedsBesidesItself) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(create(directory / "base.qcow2", "qcow2", kLeafBytes, Deadline::in(20s), {}));
  EXPECT_EQ(create(directory / "base.qcow2", "qcow2", kLeafBytes, Deadline::in(20s), {}).error().code,
            Code::kConflict);
  const auto made = process::run({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
                                  (directory / "base.qcow2").string(), (directory / "over.qcow2").string()},
                                 4096, Deadline::in(20s), {});
  ASSERT_TRUE(made);
  const auto info = inspect(directory / "over.qcow2", "qcow2");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->backing, (directory / "base.qcow2").string());
  EXPECT_EQ(inspect(directory / "base.qcow2", "vmdk").error().code, Code::kUnsupported);
  ASSERT_TRUE(file::write_atomic(directory / "junk", std::string(65536, 'x')));
  EXPECT_EQ(inspect(directory / "junk", "qcow2").error().code, Code::kInvalid);
}

TEST(Manifest, SurvivesItsJsonAndNamesTheDiskThatDiffers) {
  Manifest manifest{{{"vda", 1024, "qcow2", crypto::sha256({})}, {"vdb", 512, "raw", crypto::blake3({})}}};
  EXPECT_EQ(parse_manifest(to_json(manifest)).value(), manifest);
  EXPECT_TRUE(compare(manifest, manifest));
  Manifest other = manifest;
  other.disks[1].root = crypto::sha256({});
  const Status differs = compare(other, manifest);
  ASSERT_FALSE(differs);
  EXPECT_EQ(differs.error().code, Code::kCorrupt);
  EXPECT_NE(differs.error().message.find("vdb"), std::string::npos);
  Json twice = to_json(manifest);
  twice["disks"].push_back(twice["disks"][0]);
  EXPECT_EQ(parse_manifest(twice).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace sealift::image
