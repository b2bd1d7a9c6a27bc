"""What a network is built of: encoders and their pretrained weights, pooling, heads."""
