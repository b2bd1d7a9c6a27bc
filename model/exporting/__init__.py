"""What an artefact consists of: the network as TorchScript, and its model card."""
