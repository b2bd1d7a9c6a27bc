"""Reports as one HTML file each: tables, drawings and slices, with nothing to load from elsewhere.

    page = Page("The data", subtitle="CT-ICH")
    page.section("Labels", "How often each label is set.")
    page.table(["label", "slices"], [["any", 318], ["epidural", 173]], caption="Positives")
    page.frame(data_frame, caption="The same from a data frame")
    figure, axes = new_figure(width=6, height=3)
    axes.plot([0, 1], [0, 1], color=BLUE)
    page.figure(figure, alt="What the drawing shows, in words", caption="ROC")
    page.images([Picture(grey_uint8, "ID_1, any 0.93")], caption="Worst errors")
    page.notes(["A sentence.", "Another one."])
    write_atomically(path, page.html().encode())

Every text is escaped. A drawing is inlined as SVG, or as PNG with `raster=True` (many points).
Colours are told apart without red against green: `COLOURS`, of which `BLUE` and `ORANGE` first.
"""

from model.report.drawing import BLUE, COLOURS, GREY, ORANGE, new_figure, new_figures
from model.report.page import Page, Picture

__all__ = ["BLUE", "COLOURS", "GREY", "ORANGE", "Page", "Picture", "new_figure", "new_figures"]
