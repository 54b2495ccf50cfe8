#include "crypto/merkle.hpp"

#include <gtest/gtest.h>

#include "base/clock.hpp"

namespace sealift::crypto {
namespace {

// Inputs and roots of the Certificate Transparency reference implementation (RFC 6962).
std::vector<Digest> reference_leaves() {
  std::vector<Digest> out;
  for (const char* data :
       {"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"})
    out.push_back(merkle_leaf(unhex(data).value()));
  return out;
}

constexpr const char* kRoots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

std::vector<Digest> numbered_leaves(std::size_t count) {
  std::vector<Digest> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.push_back(merkle_leaf(as_bytes(std::to_string(i))));
  return out;
}

TEST(Merkle, RootsAreThoseOfRfc6962) {
  const std::vector<Digest> leaves = reference_leaves();
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    EXPECT_EQ(merkle_root(std::span(leaves).first(size)).hex(), kRoots[size]) << size;
    MerkleTree tree(size);
    for (std::size_t i = 0; i < size; ++i) tree.set(i, leaves[i]);
    EXPECT_EQ(tree.root().hex(), kRoots[size]) << size;
  }
}

TEST(Merkle, ProofsAreThoseOfRfc6962) {
  const std::vector<Digest> leaves = reference_leaves();
  const MerkleProof inclusion = inclusion_proof(leaves, 0).value();
  ASSERT_EQ(inclusion.size(), 3U);
  EXPECT_EQ(inclusion[0].hex(), "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
  EXPECT_EQ(inclusion[1].hex(), "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
  EXPECT_EQ(inclusion[2].hex(), "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
  const MerkleProof consistency = consistency_proof(leaves, 6).value();
  ASSERT_EQ(consistency.size(), 3U);
  EXPECT_EQ(consistency[0].hex(), "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a");
  EXPECT_EQ(consistency[1].hex(), "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
  EXPECT_EQ(consistency[2].hex(), "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
}

TEST(Merkle, EveryInclusionProofVerifiesAndOnlyAtItsPlace) {
  for (std::size_t size = 1; size <= 33; ++size) {
    const std::vector<Digest> leaves = numbered_leaves(size);
    const Digest root = merkle_root(leaves);
    for (std::size_t i = 0; i < size; ++i) {
      const MerkleProof proof = inclusion_proof(leaves, i).value();
      ASSERT_TRUE(verify_inclusion(leaves[i], i, size, proof, root)) << i << " of " << size;
      for (std::size_t other = 0; other < size; ++other) {
        EXPECT_EQ(verify_inclusion(leaves[i], other, size, proof, root).has_value(), other == i) << size;
      }
    }
    EXPECT_FALSE(inclusion_proof(leaves, size));
  }
}

TEST(Merkle, RejectsProofForWrongIndexSizeLeafAndRoot) {
  const std::vector<Digest> leaves = numbered_leaves(7);
  const Digest root = merkle_root(leaves);
  const MerkleProof proof = inclusion_proof(leaves, 3).value();
  EXPECT_EQ(verify_inclusion(leaves[3], 2, 7, proof, root).error().code, Code::kCorrupt);
  EXPECT_EQ(verify_inclusion(leaves[3], 7, 7, proof, root).error().code, Code::kCorrupt);
  EXPECT_FALSE(verify_inclusion(leaves[3], 3, 0, proof, root));
  EXPECT_FALSE(verify_inclusion(leaves[3], 3, 4, proof, root));
  EXPECT_FALSE(verify_inclusion(leaves[2], 3, 7, proof, root));
  EXPECT_FALSE(verify_inclusion(leaves[3], 3, 7, proof, leaves[0]));
  EXPECT_FALSE(verify_inclusion(leaves[3], 3, ~std::uint64_t{0}, proof, root));
}

TEST(Merkle, RejectsTruncatedPaddedAndAlteredProofs) {
  for (std::size_t size = 2; size <= 20; ++size) {
    const std::vector<Digest> leaves = numbered_leaves(size);
    const Digest root = merkle_root(leaves);
    for (std::size_t i = 0; i < size; ++i) {
      MerkleProof proof = inclusion_proof(leaves, i).value();
      const std::span<const Digest> whole = proof;
      EXPECT_FALSE(verify_inclusion(leaves[i], i, size, whole.first(whole.size() - 1), root));
      EXPECT_FALSE(verify_inclusion(leaves[i], i, size, whole.subspan(1), root));
      for (Digest& hash : proof) {
        hash.bytes[5] ^= 0x10U;
        EXPECT_FALSE(verify_inclusion(leaves[i], i, size, proof, root));
        hash.bytes[5] ^= 0x10U;
      }
      proof.push_back(root);
      EXPECT_FALSE(verify_inclusion(leaves[i], i, size, proof, root));
    }
  }
}

TEST(Merkle, AnInteriorNodeIsNoLeaf) {
  const std::vector<Digest> leaves = numbered_leaves(4);
  Bytes pair(leaves[0].bytes.begin(), leaves[0].bytes.end());
  pair.insert(pair.end(), leaves[1].bytes.begin(), leaves[1].bytes.end());
  const MerkleProof upper = {merkle_node(leaves[2], leaves[3])};
  EXPECT_FALSE(verify_inclusion(merkle_leaf(pair), 0, 2, upper, merkle_root(leaves)));
}

TEST(Merkle, EveryConsistencyProofVerifiesAndOnlyForItsSizes) {
  const std::vector<Digest> leaves = numbered_leaves(20);
  const std::span<const Digest> all = leaves;
  for (std::size_t size = 0; size <= 20; ++size) {
    const Digest root = merkle_root(all.first(size));
    for (std::size_t old_size = 0; old_size <= size; ++old_size) {
      const Digest old_root = merkle_root(all.first(old_size));
      MerkleProof proof = consistency_proof(all.first(size), old_size).value();
      ASSERT_TRUE(verify_consistency(old_size, old_root, size, root, proof)) << old_size << " in " << size;
      EXPECT_FALSE(verify_consistency(old_size, merkle_leaf(as_bytes("other")), size, root, proof));
      if (size != old_size && old_size != 0) {
        EXPECT_FALSE(verify_consistency(old_size, old_root, size, merkle_leaf(as_bytes("other")), proof));
        EXPECT_FALSE(verify_consistency(size, root, old_size, old_root, proof));
        EXPECT_FALSE(
            verify_consistency(old_size, old_root, size, root, std::span(proof).first(proof.size() - 1)));
        EXPECT_FALSE(verify_consistency(old_size, old_root, size, root, {}));
      }
      proof.push_back(root);
      EXPECT_FALSE(verify_consistency(old_size, old_root, size, root, proof));
    }
  }
  EXPECT_FALSE(consistency_proof(leaves, 21));
}

TEST(Merkle, ARewrittenPastHasNoConsistencyProof) {
  const std::vector<Digest> leaves = numbered_leaves(9);
  std::vector<Digest> rewritten = leaves;
  rewritten[2] = merkle_leaf(as_bytes("rewritten"));
  const Digest old_root = merkle_root(std::span(leaves).first(6));
  EXPECT_FALSE(
      verify_consistency(6, old_root, 9, merkle_root(rewritten), consistency_proof(rewritten, 6).value()));
  EXPECT_FALSE(
      verify_consistency(6, old_root, 9, merkle_root(rewritten), consistency_proof(leaves, 6).value()));
}

TEST(Merkle, TreeWithChangedPathsEqualsTheTreeFromScratch) {
  constexpr std::uint64_t kSeed = 20;
  SeededRandom random(kSeed);
  for (const std::size_t size : {1U, 2U, 3U, 63U, 64U, 65U, 127U, 1000U}) {
    std::vector<Digest> leaves(size);
    MerkleTree tree(size);
    ASSERT_EQ(tree.root(), merkle_root(leaves));
    for (int round = 0; round < 40; ++round) {
      for (std::uint64_t changes = random.below(4); changes > 0; --changes) {
        const std::size_t i = random.below(size);
        random.fill(leaves[i].bytes);
        tree.set(i, leaves[i]);
      }
      ASSERT_EQ(tree.root(), merkle_root(leaves))
          << "seed " << kSeed << ", size " << size << ", round " << round;
    }
  }
}

TEST(Merkle, TreeInLentStorageIsTheSameAndMoves) {
  const std::vector<Digest> leaves = numbered_leaves(77);
  std::vector<Digest> storage(MerkleTree::storage_nodes(77), merkle_leaf(as_bytes("left over")));
  MerkleTree lent(77, storage);
  MerkleTree own(77);
  for (std::size_t i = 0; i < 77; ++i) lent.set(i, leaves[i]), own.set(i, leaves[i]);
  MerkleTree moved = std::move(own);
  EXPECT_EQ(lent.root(), merkle_root(leaves));
  EXPECT_EQ(moved.root(), merkle_root(leaves));
  EXPECT_EQ(storage.back(), lent.root());
}

}  // namespace
}  // namespace sealift::crypto
