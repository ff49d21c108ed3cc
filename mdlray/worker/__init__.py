"""What a worker does with a pack: load, train, compress, measure (`mdlray.worker.run_pack`)."""
