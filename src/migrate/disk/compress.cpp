#include "migrate/disk/compress.hpp"

#include <zstd.h>

#include <algorithm>

#include "base/check.hpp"

namespace sealift::migrate {

namespace {

constexpr int kLevel = 1;
constexpr std::uint64_t kStretchBytes = std::uint64_t{16} << 20U;
constexpr std::chrono::milliseconds kStretchTime{2000};
constexpr double kMargin = 1.5;                       // compressing must win clearly
constexpr double kLinkBound = 0.5;                    // part of a stretch spent waiting
constexpr std::uint64_t kForgetAfterStretches = 512;  // links change
constexpr double kNewest = 0.05;                      // weight of the newest sample in moving averages
constexpr std::size_t kSamples = 4;
constexpr std::size_t kSampleBytes = 2048;

// Compressed, it must be an eighth shorter.
constexpr std::size_t limit_of(std::size_t bytes) {
  return bytes - bytes / 8;
}

}  // namespace

bool CompressionChoice::pays() const {
  if (mode_ != Compression::kAdaptive) return mode_ == Compression::kAlways;
  return link_ns_per_byte_ * saved_part_ > cost_ns_per_byte_ * kMargin;
}

void CompressionChoice::compressed(std::size_t bytes, std::size_t into, std::chrono::nanoseconds time) {
  const double cost = static_cast<double>(time.count()) / static_cast<double>(bytes);
  const double saved = into == 0 ? 0 : 1 - static_cast<double>(into) / static_cast<double>(bytes);
  cost_ns_per_byte_ += kNewest * (cost - cost_ns_per_byte_);
  // What the sample refused costs little and says nothing about what does shrink.
  if (into != 0) saved_part_ += kNewest * (saved - saved_part_);
}

void CompressionChoice::committed(std::size_t bytes, std::chrono::nanoseconds waited,
                                  std::chrono::nanoseconds all) {
  stretch_bytes_ += bytes;
  stretch_waited_ += waited;
  stretch_time_ += all;
  if (stretch_bytes_ < kStretchBytes && stretch_time_ < kStretchTime) return;
  const double time = static_cast<double>(stretch_time_.count());
  const double rate = time / static_cast<double>(stretch_bytes_);
  if (static_cast<double>(stretch_waited_.count()) > kLinkBound * time) {
    link_ns_per_byte_ = rate;
  } else {
    link_ns_per_byte_ = std::min(link_ns_per_byte_, rate);
  }
  if (++stretches_ % kForgetAfterStretches == 0) link_ns_per_byte_ = 0;
  stretch_bytes_ = 0;
  stretch_waited_ = stretch_time_ = std::chrono::nanoseconds{0};
}

void LeafCompressor::Free::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

LeafCompressor::LeafCompressor() : context_(ZSTD_createCCtx()), out_(image::kLeafBytes) {
  SEALIFT_CHECK(context_ != nullptr);
}
LeafCompressor::~LeafCompressor() = default;

ByteView LeafCompressor::compress(ByteView leaf) {
  SEALIFT_CHECK(leaf.size() <= image::kLeafBytes);
  if (leaf.size() >= 4 * kSamples * kSampleBytes) {
    std::array<std::uint8_t, kSamples * kSampleBytes> sample{};
    for (std::size_t i = 0; i < kSamples; ++i) {
      const ByteView part = leaf.subspan(leaf.size() / kSamples * i, kSampleBytes);
      std::ranges::copy(part, sample.begin() + static_cast<std::ptrdiff_t>(i * kSampleBytes));
    }
    const std::size_t into = ZSTD_compressCCtx(context_.get(), out_.data(), limit_of(sample.size()),
                                               sample.data(), sample.size(), kLevel);
    if (ZSTD_isError(into) != 0) return {};
  }
  const std::size_t into =
      ZSTD_compressCCtx(context_.get(), out_.data(), limit_of(leaf.size()), leaf.data(), leaf.size(), kLevel);
  if (ZSTD_isError(into) != 0) return {};
  return ByteView(out_).first(into);
}

void LeafDecompressor::Free::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

LeafDecompressor::LeafDecompressor() : context_(ZSTD_createDCtx()), out_(image::kLeafBytes) {
  SEALIFT_CHECK(context_ != nullptr);
}
LeafDecompressor::~LeafDecompressor() = default;

Result<ByteView> LeafDecompressor::decompress(ByteView compressed, std::size_t leaf_bytes) {
  SEALIFT_CHECK(leaf_bytes <= image::kLeafBytes);
  const std::size_t got =
      ZSTD_decompressDCtx(context_.get(), out_.data(), leaf_bytes, compressed.data(), compressed.size());
  if (ZSTD_isError(got) != 0) {
    return fail(Code::kCorrupt, "a compressed leaf does not open: {}", ZSTD_getErrorName(got));
  }
  if (got != leaf_bytes) {
    return fail(Code::kCorrupt, "a compressed leaf opens to {} bytes, it has {}", got, leaf_bytes);
  }
  return ByteView(out_).first(got);
}

}  // namespace sealift::migrate
